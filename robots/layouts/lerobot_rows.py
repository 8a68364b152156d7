"""The rows of one episode in a LeRobot table: states, and what is wrong with rows and times."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from robots.episode import Finding
from robots.layouts.lerobot_info import Info, matrix, states_in
from robots.recorded import Wanted
from robots.rules import Refused, check_finite
from storage.damage import Damaged
from storage.tables import opened

# So much of a frame's duration may a row's time lie beside its place.
TIME_TOLERANCE = 0.25


def read_table(path: Path, info: Info, wanted: Wanted) -> pa.Table:
    """The columns that are needed of a data file. Raises Refused."""
    needed = {*wanted.states, *wanted.commands, "timestamp", "frame_index", "episode_index"}
    try:
        with opened(path) as file:
            return file.read([name for name in file.schema_arrow.names if name in needed])
    except FileNotFoundError as error:
        raise Refused("missing_array", f"{path} is not there: it holds the states") from error
    except (Damaged, OSError) as error:
        raise Refused("bad_annotation", f"{path}: {error}") from error


def rows_of(table: pa.Table, episode: int) -> pa.Table:
    """An episode's rows of a file that may hold others."""
    if "episode_index" not in table.column_names:
        return table
    return table.filter(pc.equal(table["episode_index"], episode))


def checked_states(table: pa.Table, info: Info, wanted: Wanted) -> tuple[np.ndarray, list[Finding]]:
    """States of an episode's rows. Raises Refused for what cannot be used."""
    if not table.num_rows:
        raise Refused("missing_array", "its data file holds no row of it")
    states = states_in(table, info, wanted)
    for name in wanted.commands:
        if name in table.column_names:
            check_finite(matrix(table[name], name), name)
    if "frame_index" in table.column_names:
        numbers = matrix(table["frame_index"], "frame_index")[:, 0]
        if not np.array_equal(numbers, np.arange(len(numbers))):
            wrong = int(np.argmax(numbers != np.arange(len(numbers))))
            raise Refused("row_order", f"row {wrong} has frame_index {numbers[wrong]:g}")
    if "timestamp" not in table.column_names:
        return states, []
    times = matrix(table["timestamp"], "timestamp")[:, 0]
    late = np.abs(times - np.arange(len(times)) / info.fps) * info.fps
    if not (late > TIME_TOLERANCE).any():
        return states, []
    worst = int(np.argmax(late))
    told = f"row {worst} is at {times[worst]:.4f} s: {worst / info.fps:.4f} s is expected at {info.fps:g} rows a second"
    return states, [Finding("uneven_times", told)]
