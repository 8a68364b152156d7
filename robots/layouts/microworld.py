"""The robot microworld's layout: info.json, episodes.json and episodes/<id>.npz with `frames` uint8 [n, V, H, W, 3] and
`states` float64 [n, 7]."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from robots.episode import Finding, Footage
from robots.layouts.source_folder import NoSource, SourceFolder
from robots.recorded import Entry, Recorded, Wanted
from robots.rules import Refused, states_of
from storage.json_files import NotJson, read_json, read_object

FORMAT = 1


class MicroworldLayout:
    def __init__(self, folder: SourceFolder, wanted: Wanted):
        try:
            info = read_object(folder.file("info.json"), "format", "fps", "views")
            listed = read_json(folder.file("episodes.json"))
        except (NotJson, OSError) as error:
            raise NoSource(f"{folder.root} is no folder of robot microworld episodes: {error}") from error
        if info["format"] != FORMAT:
            raise NoSource(f"{folder.root}/info.json has format {info['format']!r}: format {FORMAT} is read")
        if not isinstance(listed, list):
            raise NoSource(f"{folder.root}/episodes.json holds a {type(listed).__name__}: a list is expected")
        self.folder, self.wanted = folder, wanted
        self.fps, self.views = float(info["fps"]), list(info["views"])
        self.listed = {
            (str(one.get("episode_id", place)) if isinstance(one, dict) else str(place)): one
            for place, one in enumerate(listed)
        }

    def entries(self) -> Iterator[Entry]:
        for name, one in self.listed.items():
            if not isinstance(one, dict) or "episode_id" not in one:
                told = f"episodes.json lists {one!r:.80}: an object with episode_id is expected"
                yield Entry(name, finding=Finding("bad_annotation", told, refused=True))
            else:
                yield Entry(name, str(one.get("split", "")), str(one.get("scene", "")))

    def read(self, entry: Entry) -> Recorded:
        path = self.folder.file(f"episodes/{entry.episode_id}.npz")
        try:
            with np.load(path, allow_pickle=False) as arrays:
                if "states" not in arrays or "frames" not in arrays:
                    raise Refused("missing_array", f"{path} has {', '.join(arrays)}: states and frames are needed")
                states = states_of(arrays["states"], len(self.wanted.columns), "states")
            count, views = frames_and_views(path)
        except FileNotFoundError as error:
            raise Refused("missing_video", f"{path} is not there") from error
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise Refused("damaged_video", f"{path}: {error}") from error
        footage = {}
        for view, name in self.wanted.views.items():
            if name not in self.views or self.views.index(name) >= views:
                raise Refused("missing_view", f"no view {name!r}: {path} has {', '.join(self.views[:views])}")
            footage[view] = Footage(path, view=self.views.index(name))
        return Recorded(states, footage, str(self.listed[entry.episode_id].get("text", "")), count)


def frames_and_views(path: Path) -> tuple[int, int]:
    """The first two sizes of the array `frames`, from its header: the pictures are not read."""
    with zipfile.ZipFile(path) as archive, archive.open("frames.npy") as handle:
        version = np.lib.format.read_magic(handle)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = read(handle)
    if len(shape) != 5 or shape[-1] != 3 or kind != np.uint8:
        raise ValueError(f"frames are {kind} {list(shape)}: uint8 [n, V, H, W, 3] is expected")
    return shape[0], shape[1]
