"""Second names for files."""

import os
import shutil
from pathlib import Path

from storage.full_disk import naming


def link_or_copy(source: Path, target: Path) -> None:
    """A second name for bytes that nobody changes in place, or a copy where the file system has no second names."""
    with naming(target):
        try:
            os.link(source, target)
        except OSError:  # another device, too many links, no permission: a copy also reports a full disk
            shutil.copyfile(source, target)
