"""Where a clip's file is: below its source's folder, or at an address that its source allows."""

from dataclasses import dataclass
from pathlib import Path

from media.remote import checked
from storage.files import PathOutsideRoot, confined


@dataclass(frozen=True)
class Addresses:
    """The rows of a remote source have whole addresses, which begin with one of `schemes`."""

    schemes: tuple[str, ...]


def located(source: Path | Addresses, path: str) -> str:
    """The absolute path or the address, for a worker. Raises PathOutsideRoot when the source does not allow it."""
    if isinstance(source, Path):
        return str(confined(source, path))
    try:
        return checked(path, source.schemes)
    except ValueError as error:
        raise PathOutsideRoot(str(error)) from None
