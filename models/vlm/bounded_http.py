"""An HTTP client that reads answers up to a size and follows no redirect. Imports the HTTP library."""

import zlib

import httpx2  # the HTTP library of the openai client
import openai

MOST_BYTES = 4 * 2**20  # of an answer once unpacked; the longest of a real model are a few hundred kB
PACKED = ("gzip", "x-gzip", "deflate")
# Headers that no longer hold: how it was packed, and a charset, which JSON does not have. Python knows charsets that
# unpack without limit (zlib), take minutes (punycode), or give no text.
LEFT_OUT = (b"content-encoding", b"content-length", b"transfer-encoding", b"content-type")


class Unreadable(Exception):
    """An answer that is too large, or packed in a way that is not read."""


class BoundedClient(openai.DefaultAsyncHttpxClient):
    """The openai client's own, but that a response is read here, whole and up to MOST_BYTES, that of an error too.

    A redirect is a response like any other: prompts and pictures go to the host that the recipe names, or nowhere.
    """

    async def send(self, request, *, stream=False, **options):
        response = await super().send(request, stream=True, **{**options, "follow_redirects": False})
        try:
            data = await _whole(response)
        finally:
            await response.aclose()
        headers = [(name, value) for name, value in response.headers.raw if name.lower() not in LEFT_OUT]
        kept = {name: value for name, value in response.extensions.items() if name in ("http_version", "reason_phrase")}
        return httpx2.Response(response.status_code, headers=headers, content=data, request=request, extensions=kept)


async def _whole(response: httpx2.Response) -> bytes:
    """The unpacked body. Raises Unreadable as soon as it is too large, however well it was packed."""
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity", *PACKED):
        raise Unreadable(f"the answer is packed as {encoding[:40]!r}: gzip or plain is expected")
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 32) if encoding in PACKED else None  # 32: gzip or zlib, as it comes
    parts, came, size = [], 0, 0
    async for part in response.aiter_raw():
        came += len(part)
        if unpack:
            try:
                part = unpack.decompress(part, MOST_BYTES - size + 1)
            except zlib.error as error:
                raise Unreadable(f"the answer does not unpack: {error}") from error
        size += len(part)
        if max(came, size) > MOST_BYTES:
            raise Unreadable(f"the answer is longer than {MOST_BYTES:,} bytes")
        parts.append(part)
    if unpack and not unpack.eof:
        raise Unreadable("the packed answer is cut")
    return b"".join(parts)
