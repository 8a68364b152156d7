"""How far the judge can be trusted: checks, agreement of wordings, one judge against another."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from evaluation.checks import CheckResult, constant_judge, failure_rate, no_missing_video, same_judge
from evaluation.judging.agreement import Agreement, agreement
from evaluation.judging.confusion import Confusion, Key, confusion, key_of
from evaluation.records import Judgement
from evaluation.report.reading import Evaluated
from stats.correction import Corrected, corrected


@dataclass(frozen=True)
class Wordings:
    """Agreement of a judge's wordings over all runs that it judged, by question."""

    judge: str
    runs: int
    questions: dict[str, Agreement]


@dataclass(frozen=True)
class Effect:
    """What a judge's errors do to one run's score: `found` over its videos, and its score without these errors, where
    sensitivity and specificity are those of the same judge on the other runs' videos; None where these tell nothing.
    """

    run: Evaluated
    question: str
    found: Confusion
    corrected: Corrected | None


@dataclass(frozen=True)
class Against:
    """A judge against one that is taken as right, over all runs that both judged, and run by run in `effects`."""

    judge: str
    right: str
    runs: int
    questions: dict[str, Confusion]
    effects: tuple[Effect, ...]


@dataclass(frozen=True)
class Mass:
    """How much of the probability yes and no had in a judge's `known` answers to a question, those that failed for want
    of it among them: the least and the mean. `unknown`: answers without it, from before it was kept."""

    judge: str
    question: str
    known: int
    unknown: int
    least: float | None
    mean: float | None


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
    masses: tuple[Mass, ...] = ()


def trust(
    runs: Sequence[Evaluated], shown: Sequence[Evaluated], exact_judge: str = "", expected: int | None = None
) -> Trust:
    """Of all runs of the page; effects of errors on those that are `shown` in full. `exact_judge` is taken as right;
    empty: the judge of judgements.jsonl."""
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
            refused.append(f"the exact judge {right!r} has not judged any of these runs")
            continue
        for judge, judged in by_judge.items():
            both = [name for name in judged if name in by_judge[right]]
            if judge == right or not both:
                continue
            # Runs of which the two were asked nothing in common tell nothing; where all are such, `confusion` says so.
            shared = [name for name in both if _asked(judged[name]) & _asked(by_judge[right][name])] or both
            try:
                found = confusion(_pooled(by_judge[right], shared), _pooled(judged, shared))
            except ValueError as error:
                refused.append(f"{judge} against {right}: {error}")
                continue
            effects = _effects([run for run in shown if run.name in shared], by_judge[right], judged)
            against.append(Against(judge, right, len(shared), found, effects))
    masses = tuple(mass for judge, judged in by_judge.items() for mass in masses_of(judge, judged.values()))
    return Trust(_checks(runs, expected), tuple(wordings), tuple(against), tuple(refused), masses)


def masses_of(judge: str, runs: Iterable[Sequence[Judgement]]) -> list[Mass]:
    """By question, over the judgements of several runs."""
    found: dict[str, list[float | None]] = {}
    for one in (one for run in runs for one in run):
        if one.log_odds is not None or one.mass is not None:
            found.setdefault(one.question, []).append(one.mass)
    made = []
    for question, masses in found.items():
        known = [mass for mass in masses if mass is not None]
        least, mean = (min(known), math.fsum(known) / len(known)) if known else (None, None)
        made.append(Mass(judge, question, len(known), len(masses) - len(known), least, mean))
    return made


def _asked(judgements: Sequence[Judgement]) -> set[Key]:
    """What a judge was asked about one run."""
    return {key_of(one) for one in judgements}


def _effects(
    runs: Sequence[Evaluated], right: Mapping[str, list[Judgement]], judged: Mapping[str, list[Judgement]]
) -> tuple[Effect, ...]:
    by_run = {run.name: confusion(right[run.name], judged[run.name]) for run in runs}
    made = []
    for question in dict.fromkeys(question for found in by_run.values() for question in found):
        for run in runs:
            if question in by_run[run.name]:
                rest = [found[question] for name, found in by_run.items() if name != run.name and question in found]
                found = by_run[run.name][question]
                made.append(Effect(run, question, found, _without_errors(found, rest)))
    return tuple(made)


def _without_errors(found: Confusion, others: Sequence[Confusion]) -> Corrected | None:
    """The judged score of `found` corrected by errors that were counted on other videos."""
    sums = [sum(getattr(one, name) for one in others) for name in ("both_yes", "missed", "false_yes", "both_no")]
    errors = Confusion(found.question, *sums)
    try:
        return corrected(found.judged, errors.sensitivity, errors.specificity)
    except ValueError:  # a rate that rests on no answer, or a judge that is no better than chance
        return None


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
