"""The list of what must not be published."""

from pathlib import Path


def read_removal_list(path: str | Path | None) -> frozenset[str]:
    """The ids of a removal list: one a line, blank lines and lines starting with # skipped; empty without a list.

    Raises FileNotFoundError: a list that was asked for and is not there must not pass for an empty one.
    """
    if not path:
        return frozenset()
    lines = (line.strip() for line in Path(path).read_text(encoding="utf-8-sig").splitlines())
    return frozenset(line for line in lines if line and not line.startswith("#"))
