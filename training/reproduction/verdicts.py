"""What the paper claims, and whether the runs show it: holds, does not hold, or not decided, with the numbers.

A difference is shown when its 95 % interval over held-out tasks leaves out zero and every seed of the one side is above
every seed of the other. What points the other way in the same sense does not hold; all else is not decided.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from evaluation.report.reproduction import ENDED, Claim
from stats.pooling import Paired, paired, pooled
from training.loop.held_out import BASE, DEMONSTRATOR
from training.options.methods import Method
from training.reproduction.findings import Findings, Setting
from training.reproduction.results import RunData, verdicts

Verdict = Literal["holds", "does not hold", "not decided"]
NOT_WORSE = 0.05  # "not below": by less than this share, about the gap in the paper's traces
FEWEST = 20  # held-out tasks; from fewer an interval means little
ABSENT = "none of its runs has ended"


def claims(found: Findings) -> tuple[Claim, ...]:
    """Every claim, in the order of the report."""
    return (
        above_demonstrator(found),
        demonstrator_above_base(found),
        above(found, "wmsd", "rl_only"),
        on_policy(found),
        interior_best(found),
        no_collapse(found),
        dmd_diverges(found),
        hacking(found),
    )


def decide(result: Paired | None, margin: float = 0.0) -> Verdict:
    """Whether ours are above theirs; with a margin: not below them by more than it."""
    if result is None or result.tasks < FEWEST:
        return "not decided"
    if result.low > -margin and result.apart >= (0 if margin else 1):
        return "holds"
    if result.high < 0 and result.apart < 0:
        return "does not hold"
    return "not decided"


def above_demonstrator(found: Findings) -> Claim:
    claim = "The Executor trained by wmsd is above the Demonstrator on held-out tasks (Task)."
    return _against_arm("wmsd_above_demonstrator", claim, found, "wmsd")


def _against_arm(key: str, claim: str, found: Findings, method: Method) -> Claim:
    ours, reference = found.method(method), found.reference()
    if ours is None or not ours.ended or reference is None:
        return _undecided(key, claim, f"{method}: {ABSENT}")
    theirs = [verdicts(reference.demonstrator, "task")]
    result = paired(ours.finals("task"), theirs)
    numbers = f"{_told(method, ours.finals('task'))}, {_told('Demonstrator', theirs)}; difference {result}"
    return Claim(key=key, claim=claim, verdict=decide(result), numbers=numbers)


def demonstrator_above_base(found: Findings) -> Claim:
    key, claim = "demonstrator_above_base", "The Demonstrator is above the base under T (Task)."
    reference = found.reference()
    if reference is None:
        return _undecided(key, claim, "no run has scored them")
    ours, theirs = [verdicts(reference.demonstrator, "task")], [verdicts(reference.base, "task")]
    result = paired(ours, theirs)
    numbers = f"{_told(DEMONSTRATOR.name, ours)}, {_told(BASE.name, theirs)}; difference {result}"
    return Claim(key=key, claim=claim, verdict=decide(result), numbers=numbers)


def above(found: Findings, better: Method, worse: Method) -> Claim:
    key, claim = f"{better}_above_{worse}", f"{better} ends above {worse} (Task)."
    return _between(key, claim, found, better, worse, "task")


def on_policy(found: Findings) -> Claim:
    claim = f"On-policy distillation ends not below off-policy distillation (average score, margin {NOT_WORSE})."
    return _between(
        "on_policy_not_below_off_policy", claim, found, "on_policy_anchor", "off_policy", "average", NOT_WORSE
    )


def _between(
    key: str, claim: str, found: Findings, better: Method, worse: Method, measure: str, margin: float = 0.0
) -> Claim:
    ours, theirs = found.method(better), found.method(worse)
    for method, setting in ((better, ours), (worse, theirs)):
        if setting is None or not setting.ended:
            return _undecided(key, claim, f"{method}: {ABSENT}")
    result = paired(ours.finals(measure), theirs.finals(measure))
    told = [_told(method, setting.finals(measure)) for method, setting in ((better, ours), (worse, theirs))]
    numbers = f"{', '.join(told)}; difference {result}{_diverged(ours)}{_diverged(theirs)}"
    return Claim(key=key, claim=claim, verdict=decide(result, margin), numbers=numbers)


def interior_best(found: Findings) -> Claim:
    """Holds when the best inner point is shown to be above both ends, does not when an end is above every inner one."""
    key, claim = (
        "interior_best_beta_d",
        "The best beta_d lies inside the sweep: neither no anchor nor the strongest one.",
    )
    sweep = {beta: setting for beta, setting in found.sweep().items() if setting.ended}
    finals = {beta: setting.finals("average") for beta, setting in sweep.items()}
    if len(sweep) < 3:
        return _undecided(key, claim, f"only {len(sweep)} points of the sweep have ended: at least 3 are needed")
    low, *inner, high = finals
    best = max(inner, key=lambda beta: np.mean([np.nanmean(one) for one in finals[beta]]))
    against = {end: paired(finals[best], finals[end]) for end in (low, high)}
    shown = [decide(result) for result in against.values()]
    if all(verdict == "holds" for verdict in shown):
        verdict: Verdict = "holds"
    else:
        verdict = "does not hold" if "does not hold" in shown else "not decided"
    points = ", ".join(f"{beta:g}: {np.mean([np.nanmean(one) for one in runs]):.3f}" for beta, runs in finals.items())
    ends = "; ".join(f"best inner {best:g} against {end:g}: {result}" for end, result in against.items())
    lost = "".join(_diverged(setting) for setting in sweep.values())
    return Claim(key=key, claim=claim, verdict=verdict, numbers=f"average score by beta_d {points}; {ends}{lost}")


def no_collapse(found: Findings) -> Claim:
    """The end against the interval of the best point before it, for Task and for the average, in every long run."""
    key, claim = (
        "no_late_collapse",
        "A run several times as long does not collapse: its end is within the interval of its best score.",
    )
    setting = found.long()
    if setting is None or not setting.ended:
        return _undecided(key, claim, f"the long run: {ABSENT}")
    kept, numbers = [], []
    for one in setting.ended:
        for measure in ("task", "average"):
            before = [step for step in one.points if 0 < step < one.end]
            if not before:
                return _undecided(key, claim, f"{one.run.label} was not scored before its end: set held_out.every")
            pool = {step: pooled([one.at(step, measure)]) for step in before}
            best = max(before, key=lambda step: pool[step].mean)
            end = pooled([one.final(measure)])
            if end.tasks < FEWEST:
                return _undecided(key, claim, f"only {end.tasks} held-out tasks: at least {FEWEST} are needed")
            kept.append(end.mean >= pool[best].low and one.record.status == "finished")
            numbers.append(f"{measure} {end.mean:.3f} at step {one.end}, best before {pool[best]} at step {best}")
    text = "; ".join(numbers) + _diverged(setting)
    return Claim(key=key, claim=claim, verdict="holds" if all(kept) else "does not hold", numbers=text)


def dmd_diverges(found: Findings) -> Claim:
    """A run diverged when it was stopped (NaN, gradient norm), or ended below the base it began from."""
    key, claim = (
        "dmd_diverges",
        "Distribution matching (dmd) diverges: it is stopped, or ends below its start (average).",
    )
    ended = [one for one in found.runs if one.run.experiment.method == "dmd" and one.record.status in ENDED]
    if not ended:
        return _undecided(key, claim, f"dmd: {ABSENT}")
    fell, numbers = [], []
    for one in ended:
        stopped = one.record.status == "diverged"
        result = paired([one.final("average")], [one.at(0, "average")]) if one.end is not None else None
        fell.append(stopped or (result is not None and result.high < 0))
        told = f"stopped at step {one.record.step + 1}: {one.record.reason}" if stopped else f"ended at step {one.end}"
        numbers.append(f"{one.run.label} {told}" + (f"; end against start {result}" if result else ""))
    verdict: Verdict = "holds" if all(fell) else "not decided" if any(fell) else "does not hold"
    return Claim(key=key, claim=claim, verdict=verdict, numbers="; ".join(numbers))


def hacking(found: Findings) -> Claim:
    """Both halves must be shown: the task reward rises, the share of consistent videos falls."""
    key = "reward_hacking"
    claim = "Without the consistency reward the task reward (held-out log-odds) rises and consistency falls."
    on, off = found.consistency()
    if on is None or off is None or not on.ended or not off.ended:
        return _undecided(key, claim, f"with and without it: {ABSENT}")
    task = paired(_log_odds(off.ended), _log_odds(on.ended))
    consistency = paired(on.finals("consistency"), off.finals("consistency"))
    halves = [decide(task), decide(consistency)]
    verdict: Verdict = "holds" if halves == ["holds", "holds"] else "not decided"
    verdict = "does not hold" if "does not hold" in halves else verdict
    shares = f"{_told('on', on.finals('consistency'))}, {_told('off', off.finals('consistency'))}"
    numbers = f"task log-odds, off minus on: {task}; consistency {shares}, on minus off: {consistency}"
    return Claim(key=key, claim=claim, verdict=verdict, numbers=numbers + _diverged(on) + _diverged(off))


def _log_odds(runs: Sequence[RunData]) -> list[np.ndarray]:
    return [one.points[one.end]["task"] for one in runs]


def _told(name: str, values: Sequence[np.ndarray]) -> str:
    pool = pooled(values)
    if pool is None:
        return f"{name} not judged"
    seeds = f" (seeds {', '.join(f'{seed:.3f}' for seed in pool.seeds)})" if len(pool.seeds) > 1 else ""
    return f"{name} {pool}{seeds}"


def _diverged(setting: Setting) -> str:
    told = [f"{one.run.label} was stopped at step {one.record.step + 1}: its scores are from step {one.end}"
            for one in setting.ended if one.record.status == "diverged"]  # fmt: skip
    return "".join(f"; {text}" for text in told)


def _undecided(key: str, claim: str, why: str) -> Claim:
    return Claim(key=key, claim=claim, verdict="not decided", numbers=why)
