"""Charts of a reproduction's trainings, as data: pooled over seeds, with 95 % bands, the paper's traces beside them.

The report draws them into its page, training.reproduction as the pictures of its own report. Runs that have not ended
show nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.report.curves import chart, paper_level, paper_series
from evaluation.report.reproduction import ENDED, Experiment, Point, Reproduction, RunResult
from evaluation.scoring.published import published
from models.vlm.questions import NAMES, label_of
from pages.charts import Dot, Dots, Level, Lines, Series, running_means
from pages.roles import STYLES, styles_of
from stats.pooling import Pool, pooled

WITH_REWARDS = ("wmsd", "rl_only", "alternating", "off_policy_teacher_rl")
DISTILLATION = ("off_policy", "on_policy_anchor", "on_policy_full")
BASELINES = ("wmsd", "sft", "dmd")
BETA_D = "distill.beta_d"
WINDOW = 5  # metrics of training are shown as means over so many steps
LOG_SPREAD = 20  # values that spread over more than this factor get a logarithmic axis


@dataclass(frozen=True)
class Setting:
    """An experiment with what it changes, in words."""

    experiment: Experiment
    changed: str = ""

    @property
    def name(self) -> str:
        return f"{self.experiment.name}: {self.changed}" if self.changed else self.experiment.name


def ended(found: Reproduction, experiment: Experiment) -> list[RunResult]:
    """The runs of an experiment that ended with a score of the Executor."""
    return [
        run
        for run in found.runs
        if run.name == experiment.name and run.status in ENDED and any(point.step for point in run.curve)
    ]


def by_method(
    found: Reproduction, plain: Sequence[Experiment], title: str, measure: str, methods: Sequence[str], paper: bool
) -> Lines | None:
    """Methods as they are, by optimizer steps; None where none of them ended. `paper`: over the paper's traces."""
    chosen = [one for method in methods for one in plain if one.method == method]
    ours = lines_of(found, [Setting(one) for one in chosen], measure, [one.method for one in chosen])
    if not ours:
        return None
    theirs = paper_series(measure, methods) if paper else []
    return chart(title, measure, ours, theirs, [*levels(found, measure), *(paper_level(measure) if theirs else [])])


def contrasted(found: Reproduction, title: str, settings: Sequence[Setting], measures: Sequence[str]) -> list[Lines]:
    """The settings' curves in one chart a measure, where they have any."""
    made = []
    for measure in measures:
        if ours := lines_of(found, settings, measure):
            made.append(chart(f"{title}: {label_of(measure)}", measure, ours, [], levels(found, measure)))
    return made


def lines_of(
    found: Reproduction, settings: Sequence[Setting], measure: str, styles: Sequence[str] = ()
) -> list[Series]:
    """A line a setting: its runs pooled at the steps that all of them were scored at."""
    made = []
    for setting, style in zip(settings, styles or styles_of([""] * len(settings)), strict=True):
        runs = ended(found, setting.experiment)
        by_step = [{point.step: verdicts(point, measure) for point in run.curve} for run in runs]
        steps = sorted(set.intersection(*map(set, by_step))) if by_step else []
        pools = [(step, pooled([one[step] for one in by_step])) for step in steps]
        pools = [(step, pool) for step, pool in pools if pool is not None]
        if len(pools) > 1:
            made.append(_pooled(setting.name, pools, style))
    return made


def _pooled(name: str, pools: Sequence[tuple[float, Pool]], style: str) -> Series:
    places, found = zip(*pools, strict=True)
    strands = tuple(zip(*(one.seeds for one in found), strict=True)) if len(found[0].seeds) > 1 else ()
    band = tuple((one.low, one.high) for one in found)
    return Series(name, places, tuple(one.mean for one in found), band, style, strands=strands)


def verdicts(point: Point, measure: str) -> np.ndarray:
    """Of each held-out task 1 or 0, the mean of its verdicts for the average; NaN where a judgement failed. [N]"""
    if measure == "average":
        asked = [name for name in NAMES if getattr(point, name) is not None]
        return np.mean([verdicts(point, name) for name in asked], axis=0)
    score = getattr(point, measure)
    return np.array([] if score is None else [{"1": 1.0, "0": 0.0}.get(one, np.nan) for one in score.verdicts])


def levels(found: Reproduction, measure: str) -> list[Level]:
    """Base and Demonstrator, which no training changes."""
    shares = [getattr(one, measure) for one in found.references]
    known = [(one.name, getattr(share, "share", share)) for one, share in zip(found.references, shares, strict=True)]
    roles = ("base", "demonstrator")  # the order in which a reproduction has them
    return [Level(name, share, role) for (name, share), role in zip(known, roles, strict=False) if share is not None]


def sweep(found: Reproduction, plain: Sequence[Experiment], usual: Mapping[str, Any]) -> Lines | None:
    """Average at the end by beta_d, the values as evenly spaced names; wmsd as it is at the usual value, or at the end
    where that is not known. None where there are not two values."""
    ours: dict[float, Experiment] = {}
    for one in found.experiments:
        changes = found.changes(one.name)
        if one.method == "wmsd" and set(changes) == {BETA_D} and one.average.mean is not None:
            ours.setdefault(float(changes[BETA_D]), one)
    steps = {one.steps for one in ours.values()}
    as_it_is = next((one for one in plain if one.method == "wmsd" and one.steps in steps and one.average.mean), None)
    beta_d = usual.get(BETA_D)
    if as_it_is and beta_d is not None:
        ours.setdefault(float(beta_d), as_it_is)
    if len(ours) < 2:
        return None
    paper = dict(zip(published()["beta_d"]["beta_d"], published()["beta_d"]["average"], strict=True))
    values = sorted({*ours, *paper})
    names = [f"{value:g}" for value in values]
    series = [_ends("wmsd, average", [(values.index(beta), one) for beta, one in sorted(ours.items())], "wmsd")]
    if as_it_is and beta_d is not None:
        series.append(_ends(f"the usual value, {beta_d:g}", [(values.index(float(beta_d)), as_it_is)], "other-1"))
    elif as_it_is:
        series.append(_ends("wmsd with the recipe's own beta_d", [(len(values), as_it_is)], "other-1"))
        names.append("as set")
    places = tuple(map(values.index, paper))
    series.append(Series("paper: Figure 4, right", places, tuple(paper.values()), style="wmsd", ours=False))
    theirs = Level("paper: Demonstrator", published()["beta_d"]["demonstrator"]["average"], "demonstrator", ours=False)
    return Lines(
        "Weight of the anchor: Average at the end by beta_d",
        tuple(series),
        (*levels(found, "average"), theirs),
        x_name="beta_d (values evenly spaced)",
        y_name="Average",
        x_labels=tuple(names),
        note="Bands: 95 % of pooled seeds. Dashed: the paper's Figure 4 (another model, other tasks, another judge).",
    )


def _ends(name: str, points: Sequence[tuple[int, Experiment]], style: str) -> Series:
    places, pools = zip(*((place, one.average) for place, one in points), strict=True)
    return Series(name, places, tuple(one.mean for one in pools), tuple((one.low, one.high) for one in pools), style)


def at_the_end(found: Reproduction, measure: str) -> Dots | None:
    """Every experiment's score with its interval, its seeds' own shares, and base and Demonstrator across."""
    rows = []
    for one in found.experiments:
        pool, runs = getattr(one, measure), ended(found, one)
        if pool.mean is not None and runs:
            parts = tuple(float(np.nanmean(verdicts(run.curve[-1], measure))) for run in runs)
            style = one.method if one.method in STYLES else "other-1"
            rows.append(Dot(one.name, pool.mean, pool.low, pool.high, style, parts))
    return Dots(label_of(measure), tuple(rows), tuple(levels(found, measure))) if rows else None


def metric(found: Reproduction, title: str, settings: Sequence[Setting], name: str, y_name: str) -> Lines | None:
    """A metric of training, of each setting's first run that ended, as a running mean."""
    series = []
    for setting, style in zip(settings, styles_of([one.experiment.method for one in settings]), strict=True):
        points = next((getattr(run, name) for run in ended(found, setting.experiment)), ())
        if points:
            steps, values = zip(*points, strict=True)
            series.append(Series(setting.name, steps, running_means(values, WINDOW), style=style))
    if not series:
        return None
    seen = [value for one in series for value in one.y]
    log = min(seen) > 0 and max(seen) > LOG_SPREAD * min(seen)
    note = f"Means over {WINDOW} steps of one run each."
    return Lines(title, tuple(series), y_name=y_name, unit=False, log=log, note=note)
