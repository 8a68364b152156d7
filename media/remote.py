"""Videos on other machines, read by range: a file's parts come when they are asked for, and are kept for a while.

https:// and http:// need no further package (media/http_ranges.py); the others are filesystems of fsspec. An address is
untrusted: no scheme but those of SCHEMES is opened, whoever asks, and none of them reaches files of this machine.
"""

import io
import re
from collections import OrderedDict
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

from media.errors import MediaError
from media.http_ranges import HttpRanges, spoken

# Scheme -> the package that fsspec needs for it, "" for our own.
SCHEMES = {"https": "", "http": "", "s3": "s3fs", "gs": "gcsfs", "hf": "huggingface_hub"}
IS_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
# Reasons that say something about a server or this machine, not about the video: they are looked for again.
SERVERS = frozenset(("absent_file", "refused", "no_ranges", "unreachable", "changed", "missing_package"))
# A block is a request. Larger ones read more than is needed, smaller ones wait more often.
BLOCK_BYTES = 1 << 20
KEPT_BLOCKS = 32


class Ranges(Protocol):
    """A remote file of which any part can be had. `version` changes with the content, as far as its server says."""

    size: int
    version: str

    def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` up to `end`, all of them. Raises MediaError."""


class Status(NamedTuple):
    st_size: int


class RemotePath:
    """Stands in for a Path where a media file is opened. Its blocks are shared by whoever opens it."""

    def __init__(self, url: str):
        self.url = checked(url)
        literal = bool(SCHEMES[scheme_of(url)])  # a filesystem's names are no web addresses
        self.name = url.rsplit("/", 1)[-1] if literal else unquote(urlsplit(url).path.rsplit("/", 1)[-1])
        self.failed: MediaError | None = None  # the first failure: FFmpeg goes on after some
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    @cached_property
    def ranges(self) -> Ranges:
        """Asks the server for the size. Raises MediaError."""
        if SCHEMES[scheme_of(self.url)]:
            return FilesystemRanges(self.url)
        ranges = HttpRanges(self.url, BLOCK_BYTES)
        if ranges.whole is not None:
            self._blocks[0] = ranges.whole
        return ranges

    def stat(self) -> Status:
        return Status(self.ranges.size)

    def open(self, mode: str = "rb") -> BinaryIO:
        if mode != "rb":
            raise ValueError(f"mode {mode!r}: a remote file is opened with 'rb'")
        return RangedFile(self)

    def for_ffmpeg(self) -> "RangedFile":
        """Open, for callbacks of FFmpeg: where the server fails the file ends, and `failed` says why. An exception in a
        callback would be kept, and raised for another file."""
        return RangedFile(self, quiet=True)

    def part(self, start: int, end: int) -> bytes:
        """The bytes from `start` up to `end`, fewer at the end of a block. Raises MediaError."""
        if self.failed:
            raise self.failed
        number = start // BLOCK_BYTES
        first = number * BLOCK_BYTES
        if number not in self._blocks:
            try:
                self._blocks[number] = self.ranges.read(first, min(first + BLOCK_BYTES, self.ranges.size))
            except MediaError as error:
                self.failed = error
                raise
        self._blocks.move_to_end(number)
        while len(self._blocks) > KEPT_BLOCKS:
            self._blocks.popitem(last=False)
        return self._blocks[number][start - first : end - first]


class RangedFile(io.RawIOBase):
    """A remote file as Python reads files. A read is short only at the end. Raises MediaError when the server fails, or
    `quiet` ends there."""

    def __init__(self, path: RemotePath, quiet: bool = False):
        self._path, self._quiet, self._at, self._size = path, quiet, 0, path.ranges.size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        at = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence] + offset
        if at < 0 and self._quiet:
            return -1
        if at < 0:
            raise ValueError(f"offset {offset}: it lies before the beginning of the file")
        self._at = at
        return at

    def readinto(self, buffer) -> int:
        wanted = min(len(buffer), max(self._size - self._at, 0))
        done = 0
        while done < wanted:
            try:
                part = self._path.part(self._at, self._at + wanted - done)
            except MediaError:
                if self._quiet:
                    break
                raise
            buffer[done : done + len(part)] = part
            self._at += len(part)
            done += len(part)
        return done


class FilesystemRanges:
    """A file of an fsspec filesystem."""

    def __init__(self, url: str):
        self._words = spoken(url)
        self._fs = filesystem(scheme_of(url))
        with_path = self._fs._strip_protocol(url)
        facts = self._asked(lambda: self._fs.info(with_path))
        if facts.get("type") == "directory" or facts.get("size") is None:
            raise MediaError("not_a_file", f"{self._words} is no file")
        self.size = int(facts["size"])
        self.version = version_of(facts)
        self._handle = self._asked(lambda: self._fs.open(with_path, "rb", cache_type="none"))

    def read(self, start: int, end: int) -> bytes:
        def get() -> bytes:
            self._handle.seek(start)
            return self._handle.read(end - start)

        data = self._asked(get)
        if len(data) != end - start:
            raise MediaError("unreachable", f"{self._words}: {len(data)} bytes came where {end - start} were asked for")
        return data

    def _asked(self, question):
        try:
            return question()
        except Exception as error:  # each filesystem has errors of its own, which share no class but this one
            raise failure(self._words, error) from None


def failure(words: str, error: Exception) -> MediaError:
    """What a filesystem's error means for a file. Addresses in its text lose their query, which may hold a secret."""
    said = re.sub(r"\?\S*", "?...", f"{type(error).__name__}: {error}".splitlines()[0])[:300]
    if isinstance(error, FileNotFoundError):
        return MediaError("absent_file", f"{words} does not exist")
    if isinstance(error, PermissionError):
        return MediaError("refused", f"{words}: {said}")
    return MediaError("unreachable", f"{words}: {said}")


def version_of(facts: dict) -> str:
    """What a filesystem says of a file's content or, when it says nothing, of when it was written."""
    told = (
        facts.get("ETag"),
        facts.get("etag"),
        facts.get("md5Hash"),
        facts.get("blob_id"),
    )
    dates = (facts.get("LastModified"), facts.get("mtime"), facts.get("updated"), facts.get("created"))
    return str(next((one for one in (*told, *dates) if one), ""))


def filesystem(scheme: str):
    """fsspec's filesystem of a scheme. Raises MediaError that names the package that is missing."""
    import fsspec

    try:
        return fsspec.filesystem(scheme)
    except ImportError:
        package = SCHEMES[scheme]
        detail = f"{scheme}:// addresses need the package {package}: pip install {package}"
        raise MediaError("missing_package", detail) from None


def checked(url: str, schemes: tuple[str, ...] | None = None) -> str:
    """The address, when it is one that may be opened. Raises ValueError, which says why not."""
    allowed = tuple(SCHEMES) if schemes is None else schemes
    scheme = scheme_of(url)
    if scheme not in allowed or scheme not in SCHEMES or not url[len(scheme) :].startswith("://"):
        begins = ", ".join(f"{name}://" for name in allowed)
        raise ValueError(f"address {spoken(url)!r}: it should begin with one of {begins}")
    if not url.isprintable() or "\\" in url:
        raise ValueError(f"address {spoken(url)!r}: it has a backslash or a control character")
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises ValueError when it is no number
    except ValueError as error:
        raise ValueError(f"address {spoken(url)!r}: {error}") from None
    if not parts.netloc or "@" in parts.netloc or " " in parts.netloc:
        raise ValueError(f"address {spoken(url)!r}: a host or bucket should follow '://', without user and password")
    return url


def scheme_of(url: str) -> str:
    """Lower case; "" when there is none."""
    return url.split(":", 1)[0].lower() if IS_URL.match(url) else ""


def place(text: str) -> Path | RemotePath:
    """A worker's job names its file by an absolute path or an address. Raises MediaError."""
    if text.startswith("/") or "://" not in text:
        return Path(text)
    try:
        return RemotePath(text)
    except ValueError as error:
        raise MediaError("unsafe_path", str(error)) from None
