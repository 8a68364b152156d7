"""A run's folder read for scoring: one answer for each (sample, seed, question), nothing missing, nothing twice."""

import re
from collections import Counter
from collections.abc import Collection, Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from evaluation.records import (
    JUDGEMENTS,
    MANIFEST,
    RUN,
    SAMPLES,
    Judgement,
    RunRecord,
    Sample,
    VideoRecord,
    read_lines,
    read_one,
)
from models.vlm.questions import NAMES, SCORED
from storage.files import sha256_bytes, sha256_file

NO_VIDEO = "no video"  # why a question has no answer when generation failed
SHOWN = 10  # ids in an error text
KIND = re.compile(r"[a-z_]+")
T = TypeVar("T")


class Incomplete(ValueError):
    """A run lacks samples, videos or judgements: a score over what happens to be there would be another benchmark's."""


@dataclass(frozen=True, eq=False)
class Run:
    """One run as arrays over N samples (sorted by id), K seeds (sorted) and Q questions.

    `log_odds` float64 [N, K, Q], NaN where the judge failed or there is no video; `seconds` and `vlm_seconds` float64
    [N, K], NaN without a video. `left_out`: ids of the run's samples that were not asked for. `failures` counts by
    question and kind. `duplicates` counts records of a (sample, seed) that was there already, as padded distributed
    generation leaves them: they count once. `video_ids` and `video_sha256` are str [N, K]. `frames_shown` are the
    numbers of frames that the judge saw of a video; `inexact` answers [Q] stand at a floor.
    """

    folder: Path
    record: RunRecord
    samples: tuple[Sample, ...]
    seeds: tuple[int, ...]
    video_ids: np.ndarray
    video_sha256: np.ndarray
    seconds: np.ndarray
    vlm_seconds: np.ndarray
    judge: str
    prompts: dict[str, str]
    log_odds: np.ndarray
    failures: dict[str, dict[str, int]]
    inexact: dict[str, int]
    frames_shown: tuple[int, ...]
    duplicates: int
    inputs: dict[str, str]
    left_out: frozenset[str] = frozenset()

    @property
    def questions(self) -> tuple[str, ...]:
        return tuple(self.prompts)

    @property
    def samples_sha256(self) -> str:
        """Of the samples' ids, tasks and first frames: two runs are over the same samples when it is the same."""
        lines = [repr((one.sample_id, one.task, one.image)) for one in self.samples]
        return sha256_bytes("\n".join(lines).encode())

    @property
    def no_video(self) -> int:
        return int(np.isnan(self.seconds).sum())


def load_run(folder: Path, *, judge: str = "", expected: int | None = None, only: Collection[str] | None = None) -> Run:
    """Reads a run's folder (evaluation/records.py).

    `judge` is needed when more than one judged; `expected` is how many samples the whole benchmark has (200 for
    WorldTasks-Bench; runs that stand aside may be of fewer: RunRecord); `only` these samples (ids) count, where given.
    Raises Incomplete when samples, videos or judgements are missing, naming them, and ValueError for records that
    contradict each other, FileNotFoundError without run.json.
    """
    record = read_one(folder / RUN, RunRecord)
    samples = _samples(folder, record, None if record.aside else expected)
    left_out = frozenset(one.sample_id for one in samples if only is not None and one.sample_id not in only)
    samples = tuple(one for one in samples if one.sample_id not in left_out)
    if not samples:
        raise Incomplete(f"{folder / SAMPLES} has none of the samples asked for")
    seeds = tuple(sorted(set(record.seeds)))
    videos, duplicates = _videos(folder, record, samples, seeds, left_out)
    by_id = {video.video_id: place for place, video in videos.items()}
    if len(by_id) != len(videos):
        twice = [name for name, count in Counter(video.video_id for video in videos.values()).items() if count > 1]
        raise ValueError(f"{folder / MANIFEST}: {_some(twice)} are used for more than one sample and seed")

    shape = (len(samples), len(seeds))
    ordered = [videos[divmod(at, len(seeds))] for at in range(len(videos))]
    seconds, vlm_seconds = np.full(shape, np.nan), np.full(shape, np.nan)
    for place, video in videos.items():
        if not video.failure:
            seconds[place], vlm_seconds[place] = video.seconds, video.vlm_seconds
    judgements = _judgements(folder, judge, by_id, videos, left_out)
    judge, prompts = _one_judge(folder, judgements)
    answers = _answers(folder, judgements, prompts, by_id, videos, shape)
    names = (RUN, SAMPLES, MANIFEST, JUDGEMENTS)
    return Run(
        folder=folder,
        record=record,
        samples=samples,
        seeds=seeds,
        video_ids=np.array([video.video_id for video in ordered], object).reshape(shape),
        video_sha256=np.array([video.sha256 for video in ordered], object).reshape(shape),
        seconds=seconds,
        vlm_seconds=vlm_seconds,
        judge=judge,
        prompts=prompts,
        duplicates=duplicates,
        inputs={name: sha256_file(folder / name) for name in names},
        left_out=left_out,
        **answers,
    )


def _samples(folder: Path, record: RunRecord, expected: int | None) -> tuple[Sample, ...]:
    samples = list(read_lines(folder / SAMPLES, Sample))
    twice = [name for name, count in Counter(one.sample_id for one in samples).items() if count > 1]
    if twice:
        raise ValueError(f"{folder / SAMPLES}: {_some(twice)} appear twice: each sample must appear once")
    for wanted, whose in ((record.samples, RUN), (expected, "the benchmark")):
        if wanted is not None and len(samples) != wanted:
            raise Incomplete(f"{folder / SAMPLES} has {len(samples)} samples, but {wanted} are needed ({whose})")
    if not samples or not record.seeds:
        raise Incomplete(f"{folder}: {len(samples)} samples and {len(record.seeds)} seeds: it needs 1 of each")
    return tuple(sorted(samples, key=lambda one: one.sample_id))


def _videos(
    folder: Path, record: RunRecord, samples: tuple[Sample, ...], seeds: tuple[int, ...], left_out: frozenset[str]
) -> tuple[dict[tuple[int, int], VideoRecord], int]:
    """(sample's place, seed's place) -> its video, and how many records came on top."""
    rows, columns = _places(one.sample_id for one in samples), _places(seeds)
    videos: dict[tuple[int, int], VideoRecord] = {}
    duplicates = 0
    for video in read_lines(folder / MANIFEST, VideoRecord):
        if video.sample_id in left_out:
            continue
        if video.sample_id not in rows or video.seed not in columns:
            raise ValueError(
                f"{folder / MANIFEST}: {video.video_id!r} is of sample {video.sample_id!r} and seed {video.seed}, "
                "which the run does not have"
            )
        place = rows[video.sample_id], columns[video.seed]
        duplicates += place in videos
        videos.setdefault(place, video)
    missing = [f"{one.sample_id} seed {seed}" for one in samples for seed in seeds]
    missing = [name for at, name in enumerate(missing) if divmod(at, len(seeds)) not in videos]
    if missing:
        total = len(samples) * len(seeds)
        raise Incomplete(f"{folder / MANIFEST} lacks {len(missing)} of {total} videos: {_some(missing)}")
    return videos, duplicates


def _judgements(
    folder: Path,
    judge: str,
    by_id: dict[str, tuple[int, int]],
    videos: dict[tuple[int, int], VideoRecord],
    left_out: frozenset[str],
) -> list[Judgement]:
    """Those that scores are made of, checked one by one."""
    kept = []
    path = folder / JUDGEMENTS
    for one in read_lines(path, Judgement):
        if one.variant != SCORED or (judge and one.judge != judge) or one.sample_id in left_out:
            continue
        where = f"{path}: {one.question!r} about {one.video_id!r}"
        if one.video_id not in by_id:
            raise ValueError(f"{where}: the manifest has no such video")
        if not one.failure:
            value = one.log_odds
            if not isinstance(value, int | float) or not np.isfinite(value) or one.yes is not (value > 0):
                raise ValueError(
                    f"{where} has log-odds {value} and yes {one.yes}: a judgement that did not fail must have finite "
                    "log-odds, and yes exactly if these are above 0"
                )
            if one.video_sha256 != videos[by_id[one.video_id]].sha256:
                raise ValueError(f"{where} is about another video file than the manifest's: judge the run again")
        kept.append(one)
    if not kept:
        raise Incomplete(f"{path} has no judgements{f' by {judge!r}' if judge else ''} of wording {SCORED}")
    return kept


def _one_judge(folder: Path, judgements: list[Judgement]) -> tuple[str, dict[str, str]]:
    """The judge, and question -> hash of its prompt, WorldTasks-Bench's questions first."""
    judges = sorted({one.judge for one in judgements})
    if len(judges) > 1:
        raise ValueError(f"{folder / JUDGEMENTS} has judgements by {', '.join(judges)}: name one with the option judge")
    asked = {(one.question, one.prompt_hash) for one in judgements}
    order = {name: place for place, name in enumerate(NAMES)}
    prompts = dict(sorted(asked, key=lambda one: (order.get(one[0], len(order)), one)))
    if len(prompts) != len(asked):
        hashes = [f"{question} {prompt_hash}" for question, prompt_hash in sorted(asked)]
        raise ValueError(f"{folder / JUDGEMENTS} mixes prompts of one question: {', '.join(hashes)}")
    return judges[0], prompts


def _answers(
    folder: Path,
    judgements: list[Judgement],
    prompts: dict[str, str],
    by_id: dict[str, tuple[int, int]],
    videos: dict[tuple[int, int], VideoRecord],
    shape: tuple[int, int],
) -> dict[str, Any]:
    """log_odds, failures, inexact, frames_shown. Of two judgements the first counts, one that failed only when none
    did not."""
    first: dict[tuple[int, int, int], Judgement] = {}
    columns = _places(prompts)
    for one in sorted(judgements, key=lambda one: bool(one.failure)):  # stable: the file's order within both kinds
        first.setdefault((*by_id[one.video_id], columns[one.question]), one)
    log_odds = np.full((*shape, len(columns)), np.nan)
    failures: dict[str, Counter] = {question: Counter() for question in columns}
    missing = []
    for question, q in columns.items():
        for (n, k), video in videos.items():
            one = first.get((n, k, q))
            if video.failure:
                failures[question][NO_VIDEO] += 1
            elif one is None:
                missing.append(f"{question} of {video.video_id}")
            elif one.failure:
                failures[question][_kind(one.failure)] += 1
            else:
                log_odds[n, k, q] = one.log_odds
    if missing:
        total = len(videos) * len(columns)
        raise Incomplete(f"{folder / JUDGEMENTS} lacks {len(missing)} of {total} judgements: {_some(missing)}")
    valid = [one for one in first.values() if not one.failure]
    return {
        "log_odds": log_odds,
        "failures": {question: dict(sorted(kinds.items())) for question, kinds in failures.items()},
        "inexact": {name: sum(one.question == name and not one.exact for one in valid) for name in columns},
        "frames_shown": tuple(sorted({len(one.frames) for one in valid})),
    }


def _kind(failure: str) -> str:
    found = KIND.match(failure)
    return found[0] if found else "other"


def _places(values: Iterable[T]) -> dict[T, int]:
    return {value: place for place, value in enumerate(values)}


def _some(names: list[Hashable]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(map(repr, names[:SHOWN])) + more
