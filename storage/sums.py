"""A folder's SHA256SUMS: written as `sha256sum -c` reads it, and read before the folder is called whole."""

import re
from pathlib import Path

from storage.damage import Damaged
from storage.files import confined, sha256_file

SUMS = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")


def checksum(tree: Path, path: Path) -> str:
    """The line of a file in SHA256SUMS."""
    return f"{sha256_file(path)}  {path.relative_to(tree).as_posix()}\n"


def check_sums(tree: Path, *only: str, remedy: str = "") -> None:
    """Compares each file that SHA256SUMS names with its hash, or only those with these names.

    Raises Damaged for the first one that is missing or another, and for SHA256SUMS itself.
    """
    sums = tree / SUMS
    try:
        lines = sums.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise Damaged(sums, "it is not there", remedy) from error
    except UnicodeDecodeError as error:
        raise Damaged(sums, str(error), remedy) from error
    hashes = {}
    for line in lines:
        said = _LINE.fullmatch(line)
        if said is None:
            raise Damaged(sums, f"the line {line[:80]!r} is none of a hash and a file", remedy)
        hashes[said[2]] = said[1]
    missing = [name for name in only if name not in hashes]
    if missing or not hashes:
        raise Damaged(sums, f"it has no line of {missing[0] if missing else 'any file'}", remedy)
    for name in only or hashes:
        path = confined(tree, name)
        if not path.is_file():
            raise Damaged(path, "it is not there", remedy)
        if sha256_file(path) != hashes[name]:
            raise Damaged(path, f"its SHA-256 is not the one in {SUMS}", remedy)
