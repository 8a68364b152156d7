"""The robot microworld's layout: info.json, episodes.json and episodes/<id>.npz with `frames` uint8 [n, V, H, W, 3] and
`states` float64 [n, 7]."""

import math
import zipfile
from collections.abc import Iterator

import numpy as np

from robots.episode import Finding, Footage
from robots.frames import array_sizes
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
        if type(info["fps"]) not in (int, float) or not 0 < info["fps"] < math.inf:
            raise NoSource(f"{folder.root}/info.json: fps is {info['fps']!r:.40}: a positive number is expected")
        if not isinstance(info["views"], list):
            raise NoSource(f"{folder.root}/info.json: views is {info['views']!r:.40}: a list of names is expected")
        self.folder, self.wanted = folder, wanted
        self.fps, self.views = float(info["fps"]), [str(view) for view in info["views"]]
        self.listed = listed
        self.texts: dict[str, str] = {}  # of the episodes listed so far

    def entries(self) -> Iterator[Entry]:
        for place, one in enumerate(self.listed):
            if not isinstance(one, dict) or "episode_id" not in one:
                told = f"episodes.json lists {one!r:.80}: an object with episode_id is expected"
                yield Entry(f"line_{place}", finding=Finding("bad_annotation", told, refused=True))
                continue
            name, finding = str(one["episode_id"]), None
            if "/" in name or "\0" in name or name in ("", ".", ".."):
                finding = Finding("unsafe_path", f"episode_id is {name!r:.80}: a plain name is expected", refused=True)
            self.texts.setdefault(name, str(one.get("text", "")))
            yield Entry(name, str(one.get("split", "")), str(one.get("scene", "")), finding)

    def read(self, entry: Entry) -> Recorded:
        path = self.folder.file(f"episodes/{entry.episode_id}.npz")
        try:
            with np.load(path, allow_pickle=False) as arrays:
                if "states" not in arrays or "frames" not in arrays:
                    raise Refused("missing_array", f"{path} has {', '.join(arrays)}: states and frames are needed")
                states = states_of(arrays["states"], len(self.wanted.columns), "states")
            count, views = array_sizes(path)
        except FileNotFoundError as error:
            raise Refused("missing_video", f"{path} is not there") from error
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise Refused("damaged_video", f"{path}: {error}") from error
        footage = {}
        for view, name in self.wanted.views.items():
            if name not in self.views or self.views.index(name) >= views:
                raise Refused("missing_view", f"no view {name!r}: {path} has {', '.join(self.views[:views])}")
            footage[view] = Footage(path, view=self.views.index(name))
        return Recorded(states, footage, self.texts.get(entry.episode_id, ""), count)
