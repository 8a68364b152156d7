"""What an evaluation leaves behind: samples, videos, judgements, runs; and where each of them lies.

    FOLDER/                      one run: a model under one conditioning on one benchmark
      run.json                   RunRecord: all that decides the videos
      samples.jsonl              one Sample a line: what videos were asked of; judges need its T
      videos/NAME.mp4            the benchmark's own file names
      manifest.jsonl             one VideoRecord a line; nothing has to be read from a file name
      judgements.jsonl           one Judgement a line
      pickscore.jsonl            evaluation/preference/
      scores.json                evaluation/scoring/run_scores.py

Records are JSON objects with exactly these fields, of these types; reading refuses others.
"""

import dataclasses
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import TypeAdapter, ValidationError

from storage.files import write_bytes
from storage.json_files import parse_json

MANIFEST, JUDGEMENTS, RUN, SCORES, VIDEOS = "manifest.jsonl", "judgements.jsonl", "run.json", "scores.json", "videos"
SAMPLES = "samples.jsonl"
Conditioning = Literal["task", "demonstrator", "vlm"]

ORIGIN = ("training", "curve")  # in a RunRecord's `extra`: the training run of its adapter, and a curve it belongs to
PART = "part"  # in a RunRecord's `extra`, true: asked for the benchmark's first samples alone, beside runs over more
CUT = "cut"  # in a RunRecord's `extra`: {largest, mean, shares: {sample id: share}}, what is cut off first frames
CONTROL = "control"  # in a RunRecord's `extra`: {kind, ...} of videos that no model made
OK = ""  # `failure` of what went well
IMAGE_MISSING = "image_missing"  # begins that of a video whose sample has no image
Record = TypeVar("Record")


@dataclass(frozen=True)
class Sample:
    """One image-task pair of a benchmark. `image` is a path below the benchmark's folder; `solution` may be empty.

    `group` is what a benchmark divides its samples by (DreamGen: object, behavior, environment; VBVR: the split/task).
    """

    sample_id: str
    image: str
    task: str
    solution: str = ""
    agent: str = ""
    task_type: str = "other"
    agent_category: str = "other"
    group: str = ""


@dataclass(frozen=True)
class VideoRecord:
    """One generated video, or why there is none (`failure`).

    `path` below the run's folder; `prompt` is what the model saw; `seconds` wall time end to end (image and prompt in,
    file written out, a share of its batch's), `vlm_seconds` the part that a VLM took to write the prompt; `frames`,
    `height`, `width`, `fps` of the file; `sha256` of the file; `image_sha256` of the first frame's file;
    `first_frame_ssim` of the video's first frame against the given picture, fitted to the video's size, None where it
    was not measured.
    """

    video_id: str  # sample_id and seed: "<sample_id>-s<seed>"
    sample_id: str
    seed: int
    path: str
    prompt: str
    image_sha256: str
    sha256: str = ""
    frames: int = 0
    height: int = 0
    width: int = 0
    fps: float = 0.0
    seconds: float = 0.0
    vlm_seconds: float = 0.0
    failure: str = OK
    first_frame_ssim: float | None = None


@dataclass(frozen=True)
class Judgement:
    """One question about one video, answered or failed.

    `log_odds` natural, log p(yes) - log p(no), None when failed; `yes` whether it is above 0, None when failed; `text`
    what the judge said, `exact` False when one of the two answers stood at a floor; `frames` the indices shown, with
    their `times_s`; `variant` names the prompt's wording (1: the one that scores are made of), `prompt_hash` its file.
    `mass` is p(yes) + p(no) of what the judge was about to say, 0 to 1; None where it is not known.
    `failure` begins with one of malformed, refused, timeout, unavailable, undecodable.
    """

    video_id: str
    sample_id: str
    question: str
    variant: int
    judge: str
    prompt_hash: str
    video_sha256: str
    frames: tuple[int, ...] = ()
    times_s: tuple[float, ...] = ()
    log_odds: float | None = None
    yes: bool | None = None
    exact: bool = True
    text: str = ""
    failure: str = OK
    mass: float | None = None


@dataclass(frozen=True)
class RunRecord:
    """All that decides a run's videos, and where it comes from.

    `name` is the run's folder and its partition; `role` what it stands for in comparisons: "base", "demonstrator",
    "executor", "vlm" or a name of its own; `step` the training step of the adapter (None: no checkpoint in training).
    `model` and `sampler` are the options as given; `identity` the model's own; `lora_sha256` of the adapter's weights.
    """

    name: str
    benchmark: str
    benchmark_version: str
    conditioning: Conditioning
    model: dict[str, Any]
    identity: str
    sampler: dict[str, Any]
    seeds: tuple[int, ...]
    samples: int
    role: str = ""
    lora: str = ""
    lora_sha256: str = ""
    step: int | None = None
    dataset_version: str = ""
    vlm: str = ""  # the prompt writer of conditioning "vlm"
    notes: tuple[str, ...] = ()
    hardware: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def part(self) -> bool:
        return bool(self.extra.get(PART))

    @property
    def aside(self) -> bool:
        """Whether the run may be over fewer samples than whole ones: a point of a curve, or a part on purpose."""
        return self.step is not None or self.part


def write_lines(path: Path, records: Iterable[Any]) -> None:
    """Replaces `path` whole by one JSON object a line."""
    lines = (json.dumps(dataclasses.asdict(record), ensure_ascii=False, allow_nan=False) for record in records)
    write_bytes(path, "".join(f"{line}\n" for line in lines).encode())


def read_lines(path: Path, kind: type[Record]) -> Iterator[Record]:
    """The records of `path`, none when it is not there. Raises ValueError naming file and line."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                yield make(parse_json(line, "the line"), kind, line)
            except (ValueError, TypeError) as error:
                raise ValueError(f"{path}, line {number}: {error}") from error


def write_one(path: Path, record: Any) -> None:
    text = json.dumps(dataclasses.asdict(record), ensure_ascii=False, allow_nan=False, indent=2)
    write_bytes(path, f"{text}\n".encode())


def read_one(path: Path, kind: type[Record]) -> Record:
    """The record of `path`. Raises FileNotFoundError, and ValueError naming the file."""
    try:
        data = path.read_bytes()
        return make(parse_json(data, "it"), kind, data)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from error


def make(values: Any, kind: type[Record], text: str | bytes | None = None) -> Record:
    """A record from its JSON object, and from the text of it where that is at hand.

    Raises ValueError for unknown or missing fields, and for values of other types.
    """
    if not isinstance(values, dict):
        raise ValueError(f"{type(values).__name__} instead of an object with the fields of {kind.__name__}")
    known = {one.name: one for one in dataclasses.fields(kind)}
    missing = [
        name
        for name, one in known.items()
        if name not in values and one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
    ]
    unknown = sorted(values.keys() - known.keys())
    if unknown or missing:
        raise ValueError(f"{kind.__name__}: unknown fields {unknown}, missing fields {missing}")
    try:
        # Not the values: JSON's lists are tuples here.
        return _adapter(kind).validate_json(json.dumps(values) if text is None else text, strict=True)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()[:5])
        raise ValueError(f"{kind.__name__}: {wrong}") from error


@cache
def _adapter(kind: type[Record]) -> TypeAdapter[Record]:
    return TypeAdapter(kind)
