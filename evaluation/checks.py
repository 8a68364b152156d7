"""What must hold before scores are believed: pure checks, for Dagster's asset checks and for the report.

A blocking check that fails must keep what comes after from being made; the others are warnings.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from evaluation.records import (
    IMAGE_MISSING,
    MANIFEST,
    RUN,
    SAMPLES,
    RunRecord,
    Sample,
    VideoRecord,
    read_lines,
    read_one,
)
from evaluation.scoring.comparing import differences
from evaluation.scoring.score_file import RunScores
from stats.rates import ENOUGH

WORST_FAILURE_RATE = 0.03  # of the paper's Table 4: 6 of 200
SHOWN = 10


@dataclass(frozen=True)
class CheckResult:
    """`details` are numbers and words by name."""

    name: str
    passed: bool
    blocking: bool
    summary: str
    details: dict[str, float | int | str]


def no_missing_video(
    folder: Path, expected: int | None = None, limit: float = WORST_FAILURE_RATE, missing_images: bool = False
) -> CheckResult:
    """Every sample has a video of every seed, written and not failed; `expected` samples in all, where it is known.

    Blocking where one is missing, the samples are others than expected (runs that stand aside may be over fewer:
    RunRecord), or more than `limit` of all could not be made: `missing_images` does not count those whose image is
    nowhere. Fewer failures are a warning, and count as failed judgements. Raises FileNotFoundError without run.json,
    ValueError for damaged records.
    """
    record = read_one(folder / RUN, RunRecord)
    samples = {one.sample_id for one in read_lines(folder / SAMPLES, Sample)}
    wanted = {(sample_id, seed) for sample_id in samples for seed in record.seeds}
    videos = {(one.sample_id, one.seed): one for one in reversed(list(read_lines(folder / MANIFEST, VideoRecord)))}
    missing = sorted(wanted - videos.keys())
    failed = sorted(place for place in wanted & videos.keys() if videos[place].failure)
    excused = [one for one in failed if missing_images and videos[one].failure.startswith(IMAGE_MISSING)]
    whole = None if record.aside else expected
    short = [number for number in (record.samples, whole) if number is not None and number != len(samples)]
    reasons = [f"{len(samples)} samples instead of {number}" for number in dict.fromkeys(short)]
    for places, what in ((missing, "are missing"), (failed, "could not be made")):
        if places:
            shown = ", ".join(f"{sample_id} seed {seed}" for sample_id, seed in places[:SHOWN])
            reasons.append(f"{len(places)} of {len(wanted)} videos {what}: {shown}{' ...' * (len(places) > SHOWN)}")
    many = len(failed) - len(excused) > limit * len(wanted)
    if many:
        reasons.append(f"at most {limit:.1%} may fail")
    return CheckResult(
        "no_missing_video",
        not reasons and bool(wanted),
        not failed or bool(missing or short or many),
        "; ".join(reasons) or f"all {len(wanted)} videos are there",
        {"expected": len(wanted), "missing": len(missing), "failed": len(failed)},
    )


def failure_rate(scores: RunScores, limit: float = WORST_FAILURE_RATE) -> CheckResult:
    """No question's judgements failed for more than `limit` of all videos; the limit itself passes, as the paper's."""
    rates = {question: one.failed / one.total for question, one in scores.questions.items()}
    worst = max(rates, key=rates.get)
    one = scores.questions[worst]
    kinds = ", ".join(f"{count} {kind}" for kind, count in one.failures.items())
    return CheckResult(
        "failure_rate",
        rates[worst] <= limit,
        False,
        f"{worst}: {one.failed} of {one.total} judgements failed ({rates[worst]:.1%}, at most {limit:.1%} is expected)"
        + (f": {kinds}" if kinds else ""),
        {f"failure_rate/{question}": value for question, value in rates.items()},
    )


def same_judge(runs: Sequence[RunScores]) -> CheckResult:
    """Runs set side by side have one judge, one set of prompts, one benchmark and the same samples. Blocking.

    Two kinds of runs may be over other samples than the rest: points of a curve (`step`), and runs that were asked for
    fewer (`part`), which charts of settings compare over the samples that they share.
    """
    reasons = []
    for first, second in combinations(runs, 2):
        fewer = first.samples != second.samples and (first.part or second.part)
        alike = first.step is second.step is None and not fewer
        if found := differences(first, second, samples=alike):
            reasons.append(f"{first.name!r} and {second.name!r}: {'; '.join(found)}")
    judges = sorted({run.judge for run in runs})
    return CheckResult(
        "same_judge",
        not reasons,
        True,
        " | ".join(reasons[:SHOWN]) + (f" | and {len(reasons) - SHOWN} more pairs" if len(reasons) > SHOWN else "")
        or f"{len(runs)} runs, all judged the same way by {', '.join(judges) or 'none'}",
        {"runs": len(runs), "pairs_that_differ": len(reasons), "judges": ", ".join(judges)},
    )


def constant_judge(runs: Sequence[RunScores]) -> CheckResult:
    """A judge answers both ways to each question, over all runs that it judged; fewer than 20 answers say nothing.

    One run alone can honestly be all failures, so give it the runs that differ most: base, Demonstrator, Executor.
    """
    answers: dict[tuple[str, str], list[int]] = {}
    for run in runs:
        for question, one in run.questions.items():
            seen = answers.setdefault((run.judge, question), [0, 0])
            seen[0] += one.successes
            seen[1] += one.valid
    constant = {key: seen for key, seen in answers.items() if seen[1] >= ENOUGH and seen[0] in (0, seen[1])}
    said = [
        f"{judge} answered {'yes' if successes else 'no'} to {question} for all {valid} videos"
        for (judge, question), (successes, valid) in sorted(constant.items())
    ]
    return CheckResult(
        "constant_judge",
        not constant,
        False,
        "; ".join(said) or f"over {len(runs)} runs both answers occur, or fewer than {ENOUGH} answers were given",
        {
            f"yes/{question}": f"{seen[0]} of {seen[1]} by {judge}"
            for (judge, question), seen in sorted(answers.items())
        },
    )
