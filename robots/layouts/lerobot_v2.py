"""LeRobot v2.1: a Parquet file and a video a camera for each episode; meta/episodes.jsonl lists them."""

from collections.abc import Iterator

from robots.episode import Finding, Footage
from robots.layouts.ctrl_world import text_of
from robots.layouts.lerobot_info import Info, filled
from robots.layouts.lerobot_rows import checked_states, read_table, rows_of
from robots.layouts.source_folder import NoSource, SourceFolder
from robots.recorded import Entry, Recorded, Wanted
from robots.rules import Refused
from storage.json_files import NotJson, parse_json

EPISODES = "meta/episodes.jsonl"


class LeRobotV2Layout:
    def __init__(self, folder: SourceFolder, info: Info, wanted: Wanted, scene: str):
        self.folder, self.info, self.wanted, self.scene = folder, info, wanted, scene
        self.fps = info.fps
        self.listed: dict[str, dict] = {}
        self.broken: list[Entry] = []
        path = folder.file(EPISODES)
        try:
            lines = path.read_bytes().splitlines()
        except OSError as error:
            raise NoSource(f"{path}: {error.strerror}: version {info.version} lists its episodes there") from error
        for number, line in enumerate(lines, 1):
            if line.strip():
                self._list(number, line)

    def _list(self, number: int, line: bytes) -> None:
        try:
            one = parse_json(line, f"{EPISODES}, line {number}")
            if not isinstance(one, dict) or type(one.get("episode_index")) is not int or one["episode_index"] < 0:
                raise NotJson(f"{EPISODES}, line {number}: an object with episode_index, 0 or more, is expected")
        except NotJson as error:
            self.broken.append(Entry(f"line_{number}", finding=Finding("bad_annotation", str(error), refused=True)))
            return
        name = episode_id(one["episode_index"])
        if name in self.listed:
            told = f"{EPISODES}, line {number}: episode_index {one['episode_index']} comes twice"
            self.broken.append(Entry(f"line_{number}", finding=Finding("double_id", told, refused=True)))
            return
        self.listed[name] = one

    def entries(self) -> Iterator[Entry]:
        for name, one in self.listed.items():
            scene = str(one.get(self.scene) or "") if self.scene else ""
            yield Entry(name, self.info.split_of(one["episode_index"]), scene)
        yield from self.broken

    def read(self, entry: Entry) -> Recorded:
        one = self.listed[entry.episode_id]
        number = one["episode_index"]
        place = {"episode_chunk": number // self.info.chunks_size, "episode_index": number}
        path = self.folder.file(filled(self.info.data_path, **place))
        states, findings = checked_states(
            rows_of(read_table(path, self.info, self.wanted), number), self.info, self.wanted
        )
        footage = {}
        for view, key in self.wanted.views.items():
            if key not in self.info.cameras:
                raise Refused("missing_view", no_camera(key, self.info))
            footage[view] = Footage(self.folder.file(filled(self.info.video_path, video_key=key, **place)))
        text, more = text_of(one.get("tasks") or [])
        return Recorded(states, footage, text, length_of(one), findings + more)


def episode_id(number: int) -> str:
    return f"episode_{number:06d}"


def no_camera(key: str, info: Info) -> str:
    return f"no camera {key!r}: the data set's videos are {', '.join(info.cameras) or 'none'}"


def length_of(row: dict) -> int | None:
    length = row.get("length")
    if length is not None and (type(length) is not int or length < 0):
        raise Refused("bad_annotation", f"length is {length!r:.80}: a number of frames is expected")
    return length
