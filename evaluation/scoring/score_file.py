"""What scoring a run says, as written to scores.json: strict when read back, null where nothing is known."""

import math
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from evaluation.records import SCORES
from storage.files import write_bytes

DECIMALS = 9  # of what is written: far below any meaning, far above the noise of another summation order
ALIKE = "all samples are alike, so that resampling says nothing"  # ends the method of an interval that is not resampled
AVERAGE_RULE = "mean of the questions' shares, each over its own valid judgements"


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Model = TypeVar("Model", bound=Strict)


class Estimate(Strict):
    """A number with its 95 % interval and how that was made; None where nothing is known.

    Where all samples are alike, bootstrap percentiles would be one number. Shares and means of p(yes) then have
    Wilson's interval, gains of them Tango's; seconds and PickScore, which have no bounds, have none.
    """

    value: float | None
    low: float | None
    high: float | None
    method: str


class QuestionScores(Strict):
    """One question's answers: hard (above 0) and soft (mean p(yes)), failures dropped and as 0.

    `rate` has the Wilson interval where each sample has one video, else that of the bootstrap over samples;
    `rate_resampled` the latter in either case. `failure_rate` is against all `total`. `constant`: all valid answers
    are alike, 20 or more. `inexact` answers stood at a floor, so that their p(yes) is a bound.
    """

    successes: int
    valid: int
    failed: int
    total: int
    rate: Estimate
    rate_resampled: Estimate
    rate_as_zero: Estimate
    soft: Estimate
    soft_as_zero: Estimate
    failure_rate: Estimate
    failures: dict[str, int]
    constant: bool
    inexact: int


class Average(Strict):
    """The mean of the questions' rates (`rule`); the paper does not say how its Avg is made."""

    rule: str
    rate: Estimate
    rate_as_zero: Estimate
    soft: Estimate
    soft_as_zero: Estimate


class Cell(Strict):
    """One question within one category; `small` when fewer than 20 samples have a valid judgement."""

    successes: int
    valid: int
    failed: int
    samples: int
    rate: Estimate
    small: bool


class Category(Strict):
    """`dimension` is task_type, agent_category or group (a benchmark's own); `samples` all of the category's."""

    dimension: str
    category: str
    samples: int
    questions: dict[str, Cell]


class Seconds(Strict):
    """Wall time end to end a video; `vlm_share` the part of all of it that a VLM took to write prompts."""

    videos: int
    median: Estimate
    mean: Estimate
    vlm_share: float


class PickScores(Strict):
    """PickScore over `frames` frames a video under the prompt `prompt`; `scaled` is `raw` / 26."""

    videos: int
    model: str
    prompt: str
    frames: int
    raw: Estimate
    scaled: Estimate


class RunScores(Strict):
    """What one run scored, what it was, and the hashes of the files it was computed from (`inputs`).

    `part`: it was asked for the benchmark's first samples alone (RunRecord).
    """

    name: str
    role: str
    step: int | None
    part: bool = False
    benchmark: str
    benchmark_version: str
    conditioning: str
    dataset_version: str
    judge: str
    prompts: dict[str, str]
    frames_shown: tuple[int, ...]
    samples: int
    samples_sha256: str
    seeds: tuple[int, ...]
    videos: int
    no_video: int
    duplicates: int
    questions: dict[str, QuestionScores]
    average: Average
    breakdown: tuple[Category, ...]
    seconds: Seconds | None
    pickscore: PickScores | None
    inputs: dict[str, str]


def write_model(path: Path, model: Strict) -> None:
    """The model as JSON, replacing `path` whole."""
    write_bytes(path, f"{model.model_dump_json(indent=2)}\n".encode())


def read_scores(folder: Path) -> RunScores:
    """The scores.json of a run's folder. Raises FileNotFoundError, and ValueError naming the file."""
    return read_model(folder / SCORES, RunScores, "a file of scores")


def read_model(path: Path, kind: type[Model], named: str) -> Model:
    """What `write_model` wrote; `named` is what a reader calls it. Raises FileNotFoundError, ValueError with `path`."""
    try:
        return kind.model_validate_json(path.read_bytes())
    except ValidationError as error:
        where = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()[:5])
        raise ValueError(f"{path} is not {named}: {where}") from error


def estimate(value: float, low: float, high: float, method: str) -> Estimate:
    """An Estimate from plain numbers; NaN becomes None."""
    return Estimate(value=number(value), low=number(low), high=number(high), method=method)


def number(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), DECIMALS)
