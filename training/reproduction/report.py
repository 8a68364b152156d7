"""reproduction.md: claims first, then the table of settings, the runs, and how the numbers were made."""

from collections.abc import Sequence

import numpy as np

from evaluation.report.reproduction import ENDED, Claim, Experiment, Pooled, Reproduction, RunResult
from models.vlm.questions import NAMES, label_of
from pages.markdown import escaped, table
from stats.pooling import Pool
from training.reproduction.findings import Findings, Setting
from training.reproduction.results import MEASURES, reference_of, run_result
from training.reproduction.verdicts import claims

HOW = """\
All runs share the judge and the held-out tasks, and each task has its own initial noise. A setting's score is the mean
of its seeds' shares of success. [low, high] is Wilson's 95 % interval for as many verdicts as there are tasks: seeds
on one task are not independent, so each task counts once. Beside it stands the range of the seeds' own shares.
Comparisons go task by task: the interval resamples tasks, and p is exact (sign flips of whole tasks). A difference
counts as shown when the interval excludes zero and the seeds of the two sides do not overlap. Nothing is corrected for
the number of comparisons. "Average" is the mean of a video's verdicts. The paper's numbers in the charts come from
another model, other tasks and another judge: compare only their shape. The recipe says where the Demonstrator is asked.
With `distill.states: renoised` methods with a policy gradient put the anchor at that gradient's states, while Eq. 11
uses the rollout's own trajectory. With `distill.flow_time: false` all levels count the same, while Eq. 9 and 11 weight
each by the flow time that it covers."""


def reproduction_of(found: Findings, root: str) -> Reproduction:
    """Everything, in the form of reproduction.json; `root` is the folder that holds the runs."""
    reference = found.reference()
    return Reproduction(
        complete=all(one.record.status in ENDED for one in found.runs),
        held_out_tasks=0 if reference is None else len(reference.base["task"]),
        references=() if reference is None else reference_of(reference),
        references_alike=found.references_alike(),
        runs=tuple(run_result(one, root) for one in found.runs),
        experiments=tuple(row_of(setting) for setting in found.settings),
        claims=claims(found),
    )


def row_of(setting: Setting) -> Experiment:
    return Experiment(
        name=setting.experiment.name,
        method=setting.experiment.method,
        seeds=tuple(one.run.seed for one in setting.ended),
        steps=setting.steps,
        status=setting.status,
        **{measure: pooled_of(setting.pool(measure)) for measure in MEASURES},
    )


def pooled_of(pool: Pool | None) -> Pooled:
    if pool is None:
        return Pooled()
    return Pooled(mean=pool.mean, low=pool.low, high=pool.high, spread=(min(pool.seeds), max(pool.seeds)))


def markdown(found: Reproduction, charts: Sequence[str] = ()) -> str:
    """The report; `charts` are file names beside it."""
    state = "every run has ended" if found.complete else "some runs have not ended: start it again to continue"
    parts = [
        "# Reproduction",
        f"{len(found.runs)} runs, {found.held_out_tasks} held-out tasks; {state}.",
        "## What the paper claims, and what came out here",
        claims_table(found.claims),
        "## Scores at the end",
        scores_table(found),
    ]
    if not found.references_alike:
        parts.append("**Base and Demonstrator got different judgements in some runs: do not compare across runs.**")
    parts += [f"![{name.removesuffix('.png')}]({name})" for name in charts]
    parts += ["## Runs", runs_table(found.runs), "## How the numbers were made", HOW]
    return "\n\n".join(parts) + "\n"


def claims_table(found: Sequence[Claim]) -> str:
    rows = [(escaped(one.claim), f"**{one.verdict}**", escaped(one.numbers)) for one in found]
    return table(("claim", "verdict", "numbers"), rows, right=())


def scores_table(found: Reproduction) -> str:
    """One row a setting, after base and Demonstrator."""
    rows = []
    for one in found.references:
        shown = [getattr(one, question) for question in NAMES]
        cells = ["" if s is None or s.share is None else f"{s.share:.3f} [{s.low:.3f}, {s.high:.3f}]" for s in shown]
        rows.append((one.name, "", "", *cells, "" if one.average is None else f"{one.average:.3f}", ""))
    for row in found.experiments:
        cells = [cell(getattr(row, measure)) for measure in MEASURES]
        rows.append((row.name, str(row.steps), str(len(row.seeds)), *cells, escaped(row.status)))
    return table(("", "steps", "seeds", *map(label_of, MEASURES), "status"), rows, right=())


def cell(pool: Pooled) -> str:
    if pool.mean is None:
        return ""
    text = f"{pool.mean:.3f} [{pool.low:.3f}, {pool.high:.3f}]"
    low, high = pool.spread
    return text if low == high else f"{text} seeds {low:.3f} to {high:.3f}"


def runs_table(runs: Sequence[RunResult]) -> str:
    rows = []
    for run in runs:
        late = [value for _, value in run.disagreement[-5:]]
        apart = f"{np.mean(late):.3g}" if late else ""
        state = run.status + (f": {escaped(run.reason)}" if run.reason else "")
        minutes = f"{run.seconds / 60:.1f}" if run.seconds else ""
        rows.append((f"{run.name}/{run.seed}", run.method, f"{run.step}/{run.steps}", minutes, apart, state))
    return table(("run", "method", "steps", "minutes", "disagreement at the end", "status"), rows, right=())


def head(found: Reproduction) -> str:
    """Claims and verdicts for a terminal."""
    lines = [f"{one.verdict:>14}  {one.claim}\n{'':16}{one.numbers}" for one in found.claims]
    ended = sum(run.status in ENDED for run in found.runs)
    rest = [f"{run.name}/{run.seed} ({run.status})" for run in found.runs if run.status not in ENDED]
    left = f"; not ended: {', '.join(rest)}" if rest else ""
    return "\n".join([*lines, f"{ended} of {len(found.runs)} runs ended{left}"])
