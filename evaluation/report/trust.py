"""How far the judge can be trusted: checks, agreement of wordings, one judge against another."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from evaluation.checks import CheckResult, constant_judge, failure_rate, no_missing_video, same_judge
from evaluation.judging.agreement import Agreement, agreement
from evaluation.judging.confusion import Confusion, confusion
from evaluation.records import Judgement
from evaluation.report.reading import Evaluated


@dataclass(frozen=True)
class Wordings:
    """Agreement of a judge's wordings over all runs that it judged, by question."""

    judge: str
    runs: int
    questions: dict[str, Agreement]


@dataclass(frozen=True)
class Against:
    """A judge against one that is taken as right, over all runs that both judged."""

    judge: str
    right: str
    runs: int
    questions: dict[str, Confusion]


@dataclass(frozen=True)
class Check:
    """A check with what it was about."""

    about: str
    result: CheckResult


@dataclass(frozen=True)
class Trust:
    checks: tuple[Check, ...]
    wordings: tuple[Wordings, ...]
    against: tuple[Against, ...]
    refused: tuple[str, ...]


def trust(runs: Sequence[Evaluated], exact_judge: str = "", expected: int | None = None) -> Trust:
    """Of all runs of the page. `exact_judge` is taken as right; empty: the judge of judgements.jsonl."""
    by_judge: dict[str, dict[str, list[Judgement]]] = {}
    for run in runs:
        for some in (run.judgements, *run.others.values()):
            for one in some:
                by_judge.setdefault(one.judge, {}).setdefault(run.name, []).append(one)
    refused: list[str] = []
    wordings = []
    for judge, judged in by_judge.items():
        try:
            found = agreement(*judged.values())
        except ValueError as error:
            refused.append(f"Wordings of {judge}: {error}")
            continue
        if found:
            wordings.append(Wordings(judge, len(judged), found))
    counted = {run.scores.judge: None for run in runs if run.scores}
    against = []
    for right in [exact_judge] if exact_judge else list(counted):
        if right not in by_judge:
            refused.append(f"exact judge {right!r} has judged none of these runs")
            continue
        for judge, judged in by_judge.items():
            shared = [name for name in judged if name in by_judge[right]]
            if judge == right or not shared:
                continue
            try:
                found = confusion(_pooled(by_judge[right], shared), _pooled(judged, shared))
            except ValueError as error:
                refused.append(f"{judge} against {right}: {error}")
                continue
            against.append(Against(judge, right, len(shared), found))
    return Trust(_checks(runs, expected), tuple(wordings), tuple(against), tuple(refused))


def _pooled(judged: dict[str, list[Judgement]], names: Sequence[str]) -> list[Judgement]:
    """All runs' judgements in one, the run's name before each video's: runs share their video ids."""
    return [replace(one, video_id=f"{name}/{one.video_id}") for name in names for one in judged[name]]


def _checks(runs: Sequence[Evaluated], expected: int | None) -> tuple[Check, ...]:
    made = []
    for run in runs:
        made.append(Check(run.label, no_missing_video(run.folder, expected)))
        if run.scores:
            made.append(Check(run.label, failure_rate(run.scores)))
    for benchmark in dict.fromkeys(run.benchmark for run in runs):
        scored = [run.scores for run in runs if run.scores and run.benchmark == benchmark]
        if scored:
            about = " ".join(benchmark)
            made += [Check(about, same_judge(scored)), Check(about, constant_judge(scored))]
    return tuple(made)
