"""LeRobot v3.0: several episodes a file. meta/episodes/ tells, for the data and for each camera by itself, in which
file an episode lies, and of a video from which second to which."""

import math
from collections.abc import Iterator
from functools import lru_cache

from media.errors import MediaError
from robots.episode import Footage
from robots.frames import file_facts, rate_agrees
from robots.layouts.ctrl_world import text_of
from robots.layouts.lerobot_info import Info, filled
from robots.layouts.lerobot_rows import checked_states, read_table, rows_of
from robots.layouts.lerobot_v2 import episode_id, length_of, no_camera
from robots.layouts.source_folder import NoSource, SourceFolder
from robots.recorded import Entry, Recorded, Wanted
from robots.rules import Refused
from storage.damage import Damaged
from storage.tables import opened

EPISODES = "meta/episodes"


class LeRobotV3Layout:
    def __init__(self, folder: SourceFolder, info: Info, wanted: Wanted, scene: str):
        self.folder, self.info, self.wanted, self.scene = folder, info, wanted, scene
        self.fps = info.fps
        self.listed: dict[str, dict] = {}
        for path in sorted((folder.root / EPISODES).glob("*/*.parquet")):
            try:
                with opened(folder.file(path.relative_to(folder.root).as_posix())) as file:
                    names = [name for name in file.schema_arrow.names if not name.startswith("stats/")]
                    for row in file.read(names).to_pylist():
                        self.listed[episode_id(int(row["episode_index"]))] = row
            except (Damaged, OSError, KeyError, TypeError, ValueError) as error:
                raise NoSource(f"{path}, the table of episodes: {error}") from error
        if not self.listed:
            raise NoSource(f"{folder.root / EPISODES} holds no table of episodes, which {info.version} has there")
        self._table = lru_cache(maxsize=1)(lambda path: read_table(path, info, wanted))

    def entries(self) -> Iterator[Entry]:
        for name, row in self.listed.items():
            scene = str(row.get(self.scene) or "") if self.scene else ""
            yield Entry(name, self.info.split_of(int(row["episode_index"])), scene)

    def read(self, entry: Entry) -> Recorded:
        row = self.listed[entry.episode_id]
        place = {name: whole(row, f"data/{name}") for name in ("chunk_index", "file_index")}
        table = self._table(self.folder.file(filled(self.info.data_path, **place)))
        states, findings = checked_states(rows_of(table, row["episode_index"]), self.info, self.wanted)
        length = length_of(row)
        footage = {view: self._footage(key, row, length) for view, key in self.wanted.views.items()}
        text, more = text_of(row.get("tasks") or [])
        return Recorded(states, footage, text, length, findings + more)

    def _footage(self, key: str, row: dict, length: int | None) -> Footage:
        if key not in self.info.cameras:
            raise Refused("missing_view", no_camera(key, self.info))
        place = {name: whole(row, f"videos/{key}/{name}") for name in ("chunk_index", "file_index")}
        start, end = (seconds(row, f"videos/{key}/{name}") for name in ("from_timestamp", "to_timestamp"))
        path = self.folder.file(filled(self.info.video_path, video_key=key, **place))
        scale = own_seconds(path, end - start, self.info.fps, length)
        return Footage(path, start * scale, end * scale)


def own_seconds(path, span_s: float, fps: float, length: int | None) -> float:
    """What seconds of the table are multiplied by to be rows over fps: 1, but where a video with a wrong tag was
    measured by it when the table was written."""
    try:
        rate = file_facts(path)["fps"]
    except MediaError:
        return 1.0  # the rules tell
    measured = length is not None and abs(span_s * rate - length) < 0.5 < abs(span_s * fps - length)
    return rate / fps if measured and not rate_agrees(rate, fps) else 1.0


def whole(row: dict, name: str) -> int:
    value = row.get(name)
    if type(value) is not int or value < 0:
        raise Refused("bad_annotation", f"{name} is {value!r:.80} in the table of episodes: 0 or more is expected")
    return value


def seconds(row: dict, name: str) -> float:
    value = row.get(name)
    if type(value) not in (int, float) or not math.isfinite(value) or value < 0:
        raise Refused("bad_annotation", f"{name} is {value!r:.80} in the table of episodes: seconds are expected")
    return float(value)
