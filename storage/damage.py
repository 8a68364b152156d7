"""Files whose content is not what was written: told by name, with what to do, and made again where that can be."""

import logging
from pathlib import Path

LOG = logging.getLogger("wmsd")


class Damaged(ValueError):
    """The file `path` is not what was written; the message names it. `why` is short, `remedy` says what to do."""

    def __init__(self, path: Path, why: str, remedy: str = ""):
        super().__init__(f"{path} is damaged ({why})" + (f": {remedy}" if remedy else ""))
        self.path, self.why = path, why


def tell(error: Damaged, done: str) -> None:
    """One line that names the damaged file and says what is `done` about it."""
    LOG.warning("%s is damaged (%s): %s", error.path, error.why, done)
