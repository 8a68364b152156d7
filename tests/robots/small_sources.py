"""Small sources of robot episodes, good ones, which tests then spoil."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from robots.episode import Episode
from robots.layouts.read import read_episodes
from robots.options import RobotSource
from tests.robots.numbered_videos import states_of, write_json, write_numbered

ROWS = 12
VIEWS = ("external_1", "external_2", "wrist")


def annotation(episode_id: object, rows: int = ROWS, **more) -> dict:
    """As in Ctrl-World's train files: no `joints`, and none of the arrays at 15 Hz."""
    states = states_of(rows).tolist()
    return {"episode_id": episode_id, "texts": ["push"], "video_length": rows, "states": states} | more


def write_ctrl_world(folder: Path, *episodes: tuple[str, str], rows: int = ROWS, fps: int = 5) -> Path:
    """Episodes by (split, id), each with three views of `rows` frames."""
    for split, name in episodes or (("train", "0"),):
        write_json(folder / f"annotation/{split}/{name}.json", annotation(name, rows))
        for view in range(3):
            path = folder / f"videos/{split}/{name}/{view}.mp4"
            write_numbered(path, [view << 12 | row for row in range(rows)], Fraction(fps))
    return folder


def spoil(path: Path, **changes) -> None:
    """Changes keys of a JSON object in place; a value of None takes the key out."""
    value = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: one for key, one in value.items() if one is not None}))


def write_microworld(
    folder: Path, *listed: dict, views=("external_1", "external_2", "wrist"), rows: int = ROWS
) -> Path:
    write_json(folder / "info.json", {"layout": "microworld", "format": 1, "fps": 5.0, "views": list(views)})
    listed = listed or ({"episode_id": "a", "split": "train", "text": "push the red block", "scene": "s0"},)
    write_json(folder / "episodes.json", list(listed))
    (folder / "episodes").mkdir()
    rng = np.random.default_rng(0)
    for one in listed:
        frames = rng.integers(0, 256, (rows, len(views), 8, 10, 3), dtype=np.uint8)
        path = folder / "episodes" / f"{one['episode_id']}.npz"
        np.savez_compressed(path, frames=frames, states=states_of(rows).astype(np.float64))
    return folder


def read(layout: str, folder: Path, robot: str, **options) -> list[Episode]:
    return list(read_episodes(RobotSource(layout=layout, path=str(folder), robot=robot, **options)))


def found(episode: Episode) -> dict[str, str]:
    """What each rule said."""
    return {one.rule: one.message for one in episode.findings}


def change_table(path, change):
    pq.write_table(change(pq.read_table(path)), path)


def with_column(table: pa.Table, name: str, values: list) -> pa.Table:
    place = table.column_names.index(name)
    return table.set_column(place, name, pa.array(values, table.schema.field(name).type))
