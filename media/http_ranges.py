"""A file of a web server, read by range (RFC 9110, 14), with nothing but the standard library."""

import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from urllib.parse import quote, urlsplit

from media.errors import MediaError

TIMEOUT_S = 15.0
TRIES = 3
PAUSE_S = 0.5
PART_S = 60.0  # for a part, however steadily it drips
# Answers about a moment: too many requests, or a server behind the one that answers is down.
PASSING = frozenset((408, 425, 429, 500, 502, 503, 504))
CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")


class Redirects(urllib.request.HTTPRedirectHandler):
    """Goes where it is sent, but from https only to https."""

    def redirect_request(self, request, handle, code, words, headers, address):
        handle.close()  # unread: its body may have no end, and the class below reads it whole
        allowed = ("https",) if request.type == "https" else ("https", "http")
        if urlsplit(address).scheme.lower() not in allowed:
            raise MediaError("refused", f"{spoken(request.full_url)} sends to an address that is not {allowed[0]}://")
        return super().redirect_request(request, handle, code, words, headers, address)


def opener() -> urllib.request.OpenerDirector:
    """For the web alone: the usual opener reads file:, ftp: and data: addresses too."""
    director = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        Redirects(),
        urllib.request.HTTPErrorProcessor(),
    ):
        director.add_handler(handler)
    return director


class HttpRanges:
    """Size, version and parts of a file. `whole`: all of it, where a server sends that and it has at most `few` bytes.

    Raises MediaError: absent_file, refused, no_ranges, or unreachable and changed, which may be otherwise later.
    """

    def __init__(self, url: str, few: int):
        self._url = quote(url, safe=":/?#[]@!$&'()*+,;=%~")
        self._words, self._opener, self._validator = spoken(url), opener(), None
        self.whole = self._asked(lambda: self._begin(few))

    def read(self, start: int, end: int) -> bytes:
        return self._asked(lambda: self._part(start, end))

    def _begin(self, few: int) -> bytes | None:
        """Asks for the first byte, whose answer tells the size."""
        try:
            reply = self._reply(0, 1)
        except urllib.error.HTTPError as error:
            if error.code != 416:  # there is no first byte
                raise
            error.close()
            self.size, self.version = 0, ""
            return b""
        with reply:
            told = CONTENT_RANGE.fullmatch(reply.headers.get("Content-Range", ""))
            length = reply.headers.get("Content-Length", "")
            self._validator = validator(reply.headers)
            self.version = self._validator or ""
            if reply.status == 206 and told and told[1] == told[2] == "0":
                self.size = int(told[3])
                return None
            if reply.status == 200 and length.isdecimal() and int(length) <= few:
                self.size = int(length)
                return self._body(reply, self.size)
            raise self._no_ranges()

    def _part(self, start: int, end: int) -> bytes:
        with self._reply(start, end) as reply:
            told = CONTENT_RANGE.fullmatch(reply.headers.get("Content-Range", ""))
            if (told and int(told[3]) != self.size) or validator(reply.headers) != self._validator:
                raise MediaError("changed", f"{self._words} was replaced while it was read")
            if reply.status != 206 or not told or (int(told[1]), int(told[2]) + 1) != (start, end):
                raise self._no_ranges()
            return self._body(reply, end - start)

    def _reply(self, start: int, end: int) -> http.client.HTTPResponse:
        headers = {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity", "User-Agent": "wmsd"}
        return self._opener.open(urllib.request.Request(self._url, headers=headers), timeout=TIMEOUT_S)

    def _body(self, reply: http.client.HTTPResponse, length: int) -> bytes:
        if reply.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise self._no_ranges()
        data, until = bytearray(), time.monotonic() + PART_S
        while len(data) < length:
            if time.monotonic() > until:
                raise TimeoutError
            part = reply.read1(length - len(data))
            if not part:
                raise http.client.IncompleteRead(bytes(data), length - len(data))
            data += part
        return bytes(data)

    def _no_ranges(self) -> MediaError:
        return MediaError(
            "no_ranges",
            f"{self._words}: its server does not answer with the part that was asked for: copy the file here",
        )

    def _asked(self, question: Callable[[], bytes | None]) -> bytes | None:
        for left in reversed(range(TRIES)):
            try:
                return question()
            except urllib.error.HTTPError as error:
                error.close()
                if error.code not in PASSING:
                    raise self._told(error.code) from None
                said = f"HTTP {error.code}"
            except (OSError, http.client.HTTPException) as error:
                said = str(getattr(error, "reason", "") or type(error).__name__)
            except ValueError as error:  # a host that cannot be one, here or where a server sends to
                raise MediaError("unreachable", f"{self._words}: {error}") from None
            if left:
                time.sleep(PAUSE_S)
        raise MediaError("unreachable", f"{self._words}: {said}, {TRIES} times")

    def _told(self, code: int) -> MediaError:
        if code in (404, 410):
            return MediaError("absent_file", f"{self._words} does not exist (HTTP {code})")
        return MediaError("refused", f"{self._words}: HTTP {code}")


def validator(headers) -> str | None:
    """What tells one content of an address from the next."""
    return headers.get("ETag") or headers.get("Last-Modified")


def spoken(url: str) -> str:
    """The address for messages: without user, password and query, which may hold a secret."""
    head, mark, rest = re.split(r"[?#]", url, maxsplit=1)[0][:300].partition("://")
    host, slash, path = rest.partition("/")
    return f"{head}{mark}{host.rpartition('@')[2]}{slash}{path}".encode("unicode_escape").decode()
