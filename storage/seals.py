"""A hash of a whole file inside the file: room is left for it, and it is taken with zeros in that room.

The room is text in the file's last bytes, so that a Parquet file can hold it in its footer. A file from before there
were seals has none.
"""

import hashlib
import re
from pathlib import Path

from storage.damage import Damaged

KEY = b"wmsd_seal"
_SAID = b"sha256-with-zeros-here:"
ROOM = _SAID + b"0" * 64
_SEAL = re.compile(re.escape(_SAID) + rb"[0-9a-f]{64}")
TAIL = 2**16  # bytes at the end in which the seal of a file is looked for, where nothing else says how many
CHUNK = 2**20


def seal(path: Path, tail: int = TAIL) -> None:
    """Fills the room for the seal, which must be in the last `tail` bytes of the file."""
    at = _place(path, tail)
    if at is None:
        raise ValueError(f"{path} has no room for a seal in its last {tail} bytes")
    _, sealed = _digests(path, at)
    with path.open("r+b") as handle:
        handle.seek(at)
        handle.write(sealed.encode())


def checked_sha256(path: Path, tail: int = TAIL) -> tuple[str, bool]:
    """The SHA-256 of the file, and whether it has a seal. Raises Damaged where the seal is of other content."""
    at = _place(path, tail)
    digest, sealed = _digests(path, at)
    if at is None:
        return digest, False
    with path.open("rb") as handle:
        handle.seek(at)
        if handle.read(64) != sealed.encode():
            raise Damaged(path, "its bytes are not those that were written")
    return digest, True


def _place(path: Path, tail: int) -> int | None:
    """Where in the file the 64 digits of the seal are; None for a file without one."""
    size = path.stat().st_size
    start = max(0, size - tail)
    with path.open("rb") as handle:
        handle.seek(start)
        end = handle.read()
    found = [match.start() for match in _SEAL.finditer(end)]
    if found:
        return start + found[-1] + len(_SAID)
    if KEY in end or _SAID in end:
        raise Damaged(path, "its seal cannot be read")
    return None


def _digests(path: Path, at: int | None) -> tuple[str, str]:
    """SHA-256 of the file, and that of it with zeros for the 64 bytes from `at` on; read once."""
    with path.open("rb") as handle:
        before = hashlib.sha256()
        left = path.stat().st_size if at is None else at
        while left and (data := handle.read(min(left, CHUNK))):
            before.update(data)
            left -= len(data)
        if at is None:
            return before.hexdigest(), ""
        sealed = before.copy()
        room = handle.read(64)
        before.update(room)
        sealed.update(b"0" * len(room))
        while data := handle.read(CHUNK):
            before.update(data)
            sealed.update(data)
    return before.hexdigest(), sealed.hexdigest()
