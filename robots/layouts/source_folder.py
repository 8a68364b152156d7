"""The folder of a source, on this machine or of a Hub data set, and paths in it that cannot leave it."""

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from robots.rules import Refused


class NoSource(ValueError):
    """A source cannot be read as a whole. The message says what would be right."""


@dataclass(frozen=True)
class SourceFolder:
    """`root` holds the files. Those of a Hub data set are links into `inside`, and are fetched when they are named."""

    root: Path
    inside: Path
    hub_id: str = ""

    def file(self, relative: str) -> Path:
        """The path of a file below the folder, which need not exist.

        Raises Refused("unsafe_path") for one that leads out of the folder, NoSource when the Hub cannot be reached.
        """
        plain, path = PurePosixPath(relative), self.root / relative
        lexical = "\0" not in relative and not plain.is_absolute() and ".." not in plain.parts
        if not lexical or not self._holds(path):
            raise Refused("unsafe_path", f"{relative!r:.200} leaves {self.root}: a path below it is expected")
        if self.hub_id and not path.exists():
            self._fetch(relative)
        return path

    def _holds(self, path: Path) -> bool:
        resolved = Path(os.path.realpath(path))
        return resolved == self.inside or self.inside in resolved.parents

    def _fetch(self, relative: str) -> None:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

        try:
            hf_hub_download(self.hub_id, relative, repo_type="dataset", revision=self.root.name)
        except LocalEntryNotFoundError as error:
            raise NoSource(f"{relative} of {self.hub_id} is not here, nor could the Hub be reached: {error}") from error
        except EntryNotFoundError:
            pass  # it is missing there too: the rules tell
        except HfHubHTTPError as error:
            raise NoSource(f"{relative} of {self.hub_id} could not be downloaded: {error}") from error


def open_folder(path: str, revision: str | None = None) -> SourceFolder:
    """A folder, or the Hub data set `owner/name`, of which `meta` is fetched. Raises NoSource when there is neither."""
    folder = Path(path).expanduser()
    if folder.is_dir():
        if revision is not None:
            raise NoSource(f"revision {revision!r} is set for the local folder {path}: it is only for Hub ids")
        return SourceFolder(folder.resolve(), folder.resolve())
    if path.count("/") != 1 or path.startswith((".", "/", "~")):
        raise NoSource(f"no folder {path!r}: give a folder, or for LeRobot a Hub id owner/name")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        root = Path(snapshot_download(path, repo_type="dataset", revision=revision, allow_patterns=["meta/*"]))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
        raise NoSource(f"{path!r} is no folder here, nor could it be downloaded: {error}") from error
    # <cache>/datasets--owner--name/snapshots/<commit>: its files are links to ../../blobs
    return SourceFolder(root, root.parent.parent.resolve(), path)
