"""What LeRobot's versions share: meta/info.json, names of files, and the state columns of a Parquet table.

Sources: github.com/huggingface/lerobot, lerobot/datasets (utils.py, lerobot_dataset.py); files that versions 0.3.3 and
0.6.1 of it wrote.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from robots.layouts.source_folder import NoSource, SourceFolder
from robots.recorded import Wanted
from robots.rules import Refused, check_finite
from storage.json_files import NotJson, read_object

INFO = "meta/info.json"
FIELD = re.compile(r"\{(\w+)(?::0(\d)d)?\}")


@dataclass(frozen=True)
class Info:
    """meta/info.json. splits: name -> (first episode, the one after the last)."""

    version: str
    fps: float
    features: Mapping[str, Mapping]
    splits: Mapping[str, tuple[int, int]]
    data_path: str
    video_path: str
    chunks_size: int

    def split_of(self, episode: int) -> str:
        """ "val" where any split but train holds the episode, for it must not be trained on; "" where none does."""
        names = [name for name, (first, stop) in self.splits.items() if first <= episode < stop]
        return "val" if set(names) - {"train"} else "train" if names else ""

    @property
    def cameras(self) -> list[str]:
        return [name for name, feature in self.features.items() if feature.get("dtype") == "video"]


def read_info(folder: SourceFolder) -> Info:
    """Raises NoSource for a folder that is no LeRobot data set."""
    path = folder.file(INFO)
    try:
        said = read_object(path, "codebase_version", "fps", "features", "data_path")
        if not isinstance(said["features"], dict) or not all(
            isinstance(one, dict) for one in said["features"].values()
        ):
            raise NotJson(f"{path}: features must be an object of objects")
        fps = float(said["fps"])
        if not 0 < fps < float("inf"):
            raise NotJson(f"{path}: fps is {fps}: a positive number is expected")
        return Info(
            str(said["codebase_version"]),
            fps,
            said["features"],
            {str(name): bounds(text) for name, text in dict(said.get("splits") or {}).items()},
            str(said["data_path"]),
            str(said.get("video_path") or ""),
            max(int(said.get("chunks_size") or 1000), 1),
        )
    except (NotJson, OSError, TypeError, ValueError) as error:
        raise NoSource(f"{folder.root} is no LeRobot data set: {error}") from error


def bounds(text: str) -> tuple[int, int]:
    """ "0:20" -> (0, 20)."""
    match = re.fullmatch(r"(\d+):(\d+)", str(text))
    if match is None:
        raise ValueError(f"split {text!r:.40}: first:stop is expected, such as 0:20")
    return int(match[1]), int(match[2])


def filled(template: str, **values: str | int) -> str:
    """A path template of info.json, such as "videos/{video_key}/file-{file_index:03d}.mp4", with its values.

    Not str.format: a template comes with the data. Raises Refused for a field of another name.
    """

    def value(match: re.Match) -> str:
        if match[1] not in values:
            raise Refused(
                "unsafe_path", f"path {template!r:.200} has a field {match[1]}: {', '.join(values)} are known"
            )
        return str(values[match[1]]).zfill(int(match[2] or 0))

    return FIELD.sub(value, template)


def states_in(table: pa.Table, info: Info, wanted: Wanted) -> np.ndarray:
    """float64 [N, columns]: the contract's columns of the wanted features, side by side. Raises Refused."""
    missing = [name for name in wanted.states if name not in table.column_names]
    if missing:
        features = ", ".join(info.features)
        raise Refused("missing_array", f"no feature {', '.join(missing)}: the data set has {features}")
    parts = [matrix(table.column(name), name) for name in wanted.states]
    states = np.concatenate(parts, axis=1)
    names = [label for name, part in zip(wanted.states, parts, strict=True) for label in labels(info, name, part)]
    if set(wanted.columns) <= set(names):
        states = states[:, [names.index(column) for column in wanted.columns]]
    if states.shape[1] != len(wanted.columns):
        told = f"{', '.join(wanted.states)} have {states.shape[1]} columns ({', '.join(names)})"
        raise Refused("state_columns", f"{told}: {len(wanted.columns)} are expected ({', '.join(wanted.columns)})")
    check_finite(states, ", ".join(wanted.states))
    return states


def matrix(column: pa.ChunkedArray, name: str) -> np.ndarray:
    """A column of numbers, or of lists of one length, as float64 [N, D]. Raises Refused."""
    array = column.combine_chunks()
    if pa.types.is_nested(array.type):
        lengths = set(array.value_lengths().to_pylist()) if not pa.types.is_fixed_size_list(array.type) else {0}
        if len(lengths) > 1 or array.null_count:
            raise Refused("bad_annotation", f"the rows of {name} are lists of unlike lengths")
        flat = array.flatten()
    else:
        flat = array
    if not (pa.types.is_floating(flat.type) or pa.types.is_integer(flat.type) or pa.types.is_boolean(flat.type)):
        raise Refused("bad_annotation", f"{name} is a column of {array.type}: numbers are expected")
    values = flat.cast(pa.float64()).to_numpy(zero_copy_only=False)  # a null becomes NaN, which is refused
    return values.reshape(len(array), -1) if len(array) else values.reshape(0, 0)


def labels(info: Info, name: str, part: np.ndarray) -> Sequence[str]:
    """Names of a feature's numbers; LeRobot's are a list, or lists below some word such as "motors"."""
    names = info.features.get(name, {}).get("names")
    if isinstance(names, dict):
        names = [one for group in names.values() if isinstance(group, list) for one in group]
    if isinstance(names, list) and len(names) == part.shape[1]:
        return [str(one) for one in names]
    return [f"{name}[{place}]" for place in range(part.shape[1])]
