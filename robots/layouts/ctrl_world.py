"""Ctrl-World's layout: annotation/<split>/<id>.json, videos/<split>/<id>/<view>.mp4.

Source: github.com/Robert-gyj/Ctrl-World, its dataset_example and dataset/. Only the states are needed of an annotation:
`joints` and the arrays at the recording's own 15 Hz are absent in some, and so are the latent files that it lists.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from robots.episode import Finding, Footage
from robots.layouts.source_folder import NoSource, SourceFolder
from robots.recorded import Entry, Recorded, Wanted
from robots.rules import Refused, check_finite, states_of
from storage.json_files import NotJson, read_object

FPS = 5.0  # every third frame of a recording at 15 Hz
SPLITS = ("train", "val")


class CtrlWorldLayout:
    """The folder that holds `annotation` and `videos`; an episode's id is its annotation's file name."""

    def __init__(self, folder: SourceFolder, wanted: Wanted, scene: str):
        if not (folder.root / "annotation").is_dir():
            told = f"{folder.root} has no folder annotation: give the folder that holds annotation and videos"
            raise NoSource(told)
        self.folder, self.wanted, self.scene = folder, wanted, scene
        self.fps = wanted.fps or FPS

    def entries(self) -> Iterator[Entry]:
        for split in SPLITS:
            for path in sorted((self.folder.root / "annotation" / split).glob("*.json"), key=by_number):
                yield Entry(path.stem, split, self._scene(split, path.stem))

    def _scene(self, split: str, name: str) -> str:
        if not self.scene:
            return ""
        try:
            return str(self._annotation(split, name).get(self.scene, ""))
        except Refused:
            return ""  # it is told when the episode is read

    def _annotation(self, split: str, name: str) -> dict:
        try:
            return read_object(self.folder.file(f"annotation/{split}/{name}.json"))
        except (NotJson, OSError) as error:
            raise Refused("bad_annotation", str(error)) from error

    def read(self, entry: Entry) -> Recorded:
        said = self._annotation(entry.split, entry.episode_id)
        check_id(said, entry)
        if missing := [name for name in self.wanted.states if name not in said]:
            raise Refused("missing_array", f"the annotation has no {', '.join(missing)}, only {', '.join(said)}")
        for name in self.wanted.commands:
            if name in said:
                check_finite(numbers(said[name], name), name)
        what = ", ".join(self.wanted.states)
        parts = [numbers(said[name], name) for name in self.wanted.states]
        if len({len(part) for part in parts}) > 1:
            raise Refused("bad_annotation", f"{what} have {', '.join(str(len(part)) for part in parts)} rows")
        states = states_of(np.concatenate(parts, axis=1), len(self.wanted.columns), what)
        text, more = text_of(said.get("texts", []))
        videos = f"videos/{entry.split}/{entry.episode_id}"
        footage = {view: Footage(self.folder.file(f"{videos}/{name}.mp4")) for view, name in self.wanted.views.items()}
        return Recorded(states, footage, text, length_of(said), more)


def check_id(said: dict, entry: Entry) -> None:
    """The id in the annotation, a number or a text, is the file's name. Raises Refused."""
    told = said.get("episode_id", entry.episode_id)
    if not isinstance(told, str | int) or isinstance(told, bool):
        raise Refused("bad_annotation", f"episode_id is {told!r:.80}: a number or a text is expected")
    if Path(str(told)).name != str(told):
        raise Refused("unsafe_path", f"episode_id is {str(told)!r:.80}: a plain name is expected")
    if str(told) != entry.episode_id:
        raise Refused("bad_annotation", f"episode_id is {str(told)!r:.80} in the file {entry.episode_id}.json")


def by_number(path: Path) -> tuple[int, int, str]:
    """Numbered episodes in the order of their numbers, others behind them by name."""
    name = path.stem
    return (0, int(name), name) if name.isdecimal() and name.isascii() else (1, 0, name)


def numbers(value: object, name: str) -> np.ndarray:
    """A list of numbers, or of lists of one length, as float64 [N, D]. Raises Refused."""
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError) as error:
        raise Refused("bad_annotation", f"{name} is no table of numbers: {error}") from error
    if array.ndim not in (1, 2):
        raise Refused("bad_annotation", f"{name} has shape {list(array.shape)}: rows of numbers are expected")
    return array.reshape(len(array), -1) if array.size else array.reshape(0, 0)


def text_of(texts: object) -> tuple[str, list[Finding]]:
    """The instruction, which may be empty. `texts`: a list of texts."""
    if isinstance(texts, str):
        texts = [texts]
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise Refused("bad_annotation", f"texts is {texts!r:.80}: a list of texts is expected")
    told = [text for text in dict.fromkeys(texts) if text]
    several = [Finding("several_texts", " / ".join(told))] if len(told) > 1 else []
    return (told[0] if told else ""), several


def length_of(said: dict) -> int | None:
    length = said.get("video_length")
    if length is not None and (type(length) is not int or length < 0):
        raise Refused("bad_annotation", f"video_length is {length!r:.80}: a number of frames is expected")
    return length
