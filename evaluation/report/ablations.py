"""The paper's ablations from a reproduction: methods, beta_d, rewards, judge noise, steps, sizes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evaluation.report.charts import Level, Series, lines
from evaluation.report.curves import METHODS, Chart, chart, paper_series
from evaluation.report.reproduction import Experiment, Reproduction
from evaluation.scoring.published import demonstrator, published
from models.vlm.questions import NAMES, QUESTIONS, label_of

WITH_REWARDS = ("wmsd", "rl_only", "alternating", "off_policy_teacher_rl")
DISTILLATION = ("off_policy", "on_policy_anchor", "on_policy_full")
BASELINES = {"wmsd": 0, "sft": 3, "dmd": 1}
BETA_D, CONSISTENCY = "distill.beta_d", "rewards.consistency"
NOISE = (
    "judge_noise",
    "judge_flip",
)  # last names of options of a judge that errs, and beginnings of experiments' names

# What decides how many sampler steps, and how many pixels and frames, training and evaluation see.
SIZES = {"rollout.steps", "rollout.height", "rollout.width", "rollout.frames", "model.height", "model.width"}
SIZES |= {"model.frames"}


@dataclass(frozen=True)
class Setting:
    """An experiment with what it changes, in words."""

    experiment: Experiment
    changed: str


@dataclass(frozen=True)
class Contrast:
    """Settings that differ in one thing, with their curves; `absent` says what there is none of."""

    title: str
    note: str
    settings: tuple[Setting, ...]
    absent: str = ""
    charts: tuple[Chart, ...] = ()


@dataclass(frozen=True)
class Ablations:
    """Everything that the section shows."""

    settings: tuple[Setting, ...]
    charts: tuple[Chart, ...]
    contrasts: tuple[Contrast, ...]
    absent: tuple[str, ...]


def ablations(found: Reproduction, usual: Mapping[str, Any] | None = None) -> Ablations:
    """Charts and contrasts of what ran, and sentences about what did not.

    `usual`: options that experiments change from, by dotted names, as far as they are known.
    """
    plain = [one for one in found.experiments if not found.changes(one.name) and not _noise(found, one)]
    steps = _usual_steps(plain)
    charts, absent = [], []
    for title, measure, methods in (
        *((f"Rewards: {one.label}", one.name, WITH_REWARDS) for one in QUESTIONS),
        ("Distillation without rewards: Average", "average", DISTILLATION),
        ("Baselines: Average", "average", tuple(BASELINES)),
    ):
        drawn = _methods(found, [one for one in plain if one.steps == steps], title, measure, methods)
        if drawn is None:
            absent.append(f"{title}: none of {', '.join(methods)} has scores in training")
        else:
            charts.append(drawn)
    sweep = _sweep(found, plain, usual or {})
    if sweep is None:
        absent.append("Weight of the anchor (beta_d): fewer than two values have a score at the end")
    else:
        charts.append(sweep)
    return Ablations(
        tuple(Setting(one, _told(found, one)) for one in found.experiments),
        tuple(charts),
        (_consistency(found, plain), _judges(found, plain), _steps(found, plain), _sizes(found)),
        tuple(absent),
    )


def _usual_steps(plain: Sequence[Experiment]) -> int:
    """The number of steps that most unchanged experiments have."""
    steps = [one.steps for one in plain]
    return max(sorted(set(steps)), key=steps.count, default=0)


def _methods(
    found: Reproduction, experiments: Sequence[Experiment], title: str, measure: str, methods: Sequence[str]
) -> Chart | None:
    styles = BASELINES if methods == tuple(BASELINES) else {name: style for name, (_, style) in METHODS.items()}
    settings = [Setting(one, "") for one in experiments if one.method in methods]
    ours = _lines(found, settings, measure, lambda place: styles[settings[place].experiment.method])
    if not ours:
        return None
    theirs = [] if methods == tuple(BASELINES) else paper_series(measure, methods)
    levels = _references(found, measure)
    if theirs:
        levels.append(Level("paper: Demonstrator", demonstrator(measure), ours=False))
    return chart(title, measure, ours, theirs, levels)


def _lines(
    found: Reproduction, settings: Sequence[Setting], measure: str, style: Callable[[int], int] = int
) -> list[Series]:
    """One line a seed: seeds are not pooled here, their spread shows. `style` is of the setting's place."""
    made = []
    for place, setting in enumerate(settings):
        one = setting.experiment
        runs = [run for run in found.runs if run.name == one.name]
        for run in runs:
            points = [(point.step, _share(getattr(point, measure))) for point in run.curve]
            points = [(step, share) for step, share in points if share is not None]
            if len(points) > 1:
                steps, shares = zip(*points, strict=True)
                band = _band(run, measure, steps) if len(runs) == 1 else ()
                name = f"{one.name}: {setting.changed}" if setting.changed else one.name
                made.append(Series(name, steps, shares, band, style(place)))
    return made


def _drawn(found: Reproduction, title: str, settings: Sequence[Setting], measures: Sequence[str]) -> tuple[Chart, ...]:
    """The settings' curves in one chart a measure, where they have any."""
    made = []
    for measure in measures:
        if ours := _lines(found, settings, measure):
            made.append(chart(f"{title}: {label_of(measure)}", measure, ours, [], _references(found, measure)))
    return tuple(made)


def _references(found: Reproduction, measure: str) -> list[Level]:
    shares = [(one.name, _share(getattr(one, measure))) for one in found.references]
    return [Level(name, share, second=at > 0) for at, (name, share) in enumerate(shares) if share is not None]


def _band(run, measure: str, steps: Sequence[int]) -> tuple[tuple[float, float], ...]:
    if measure == "average":
        return ()
    by_step = {point.step: getattr(point, measure) for point in run.curve}
    return tuple((by_step[step].low, by_step[step].high) for step in steps)


def _share(score) -> float | None:
    return getattr(score, "share", score)


def _sweep(found: Reproduction, plain: Sequence[Experiment], usual: Mapping[str, Any]) -> Chart | None:
    """Average at the end by beta_d, the values as evenly spaced names; wmsd as it is at the usual value, or at the end
    where that is not known."""
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
    series = [_dots("wmsd, average", [(values.index(beta), one.average) for beta, one in sorted(ours.items())])]
    if as_it_is and beta_d is not None:
        series.append(_dots(f"the usual value, {beta_d:g}", [(values.index(float(beta_d)), as_it_is.average)], 1))
    elif as_it_is:
        series.append(_dots("wmsd with the recipe's own beta_d", [(len(values), as_it_is.average)], 1))
        names.append("as set")
    series.append(Series("paper: Figure 4, right", tuple(map(values.index, paper)), tuple(paper.values()), ours=False))
    levels = _references(found, "average")
    levels.append(Level("paper: Demonstrator", published()["beta_d"]["demonstrator"]["average"], ours=False))
    title = "Weight of the anchor: Average at the end by beta_d"
    svg = lines(series, levels, "beta_d (values evenly spaced)", "Average", title, x_labels=names)
    note = "Bands: 95 % of pooled seeds. Dashed: the paper's Figure 4, another model, other tasks, another judge."
    return Chart(title, note, svg, tuple(series), tuple(levels))


def _dots(name: str, points, style: int = 0) -> Series:
    places, pools = zip(*points, strict=True)
    band = tuple((one.low, one.high) for one in pools)
    return Series(name, places, tuple(one.mean for one in pools), band, style)


def _consistency(found: Reproduction, plain: Sequence[Experiment]) -> Contrast:
    title = "Consistency reward on and off"
    note = "Off: look for Task that holds while Consistency falls (reward hacking)."
    off = [
        one
        for one in found.experiments
        if set(found.changes(one.name)) == {CONSISTENCY} and not float(found.changes(one.name)[CONSISTENCY])
    ]
    on = _twins(plain, off)
    if not off or not on:
        return Contrast(title, note, (), "no pair of experiments differs in the consistency reward alone")
    settings = [Setting(one, "on") for one in on] + [Setting(one, "off") for one in off]
    return Contrast(title, note, tuple(settings), charts=_drawn(found, title, settings, ("task", "consistency")))


def _judges(found: Reproduction, plain: Sequence[Experiment]) -> Contrast:
    title = "Training before a noisy judge"
    note = "What rewards that err do to the Executor. How often such a judge errs stands under Trust, where it judged."
    noisy = [one for one in found.experiments if _noise(found, one)]
    if not noisy:
        return Contrast(title, note, (), "no experiment trained before a judge that errs")
    told = {one.name: _told(found, one, _noise(found, one)) for one in noisy}
    settings = [Setting(one, "the usual judge") for one in _twins(plain, noisy)]
    settings += [Setting(one, told[one.name]) for one in sorted(noisy, key=lambda one: told[one.name])]
    return Contrast(title, note, tuple(settings), charts=_drawn(found, title, settings, ("task", "average")))


def _noise(found: Reproduction, one: Experiment) -> tuple[str, ...]:
    """What an experiment changes about its judge's noise; its name where that alone says so; none: nothing."""
    changed = tuple(name for name in found.changes(one.name) if name.split(".")[-1] in NOISE)
    return changed or ((one.name,) if one.name.startswith(NOISE) else ())


def _twins(plain: Sequence[Experiment], others: Sequence[Experiment]) -> list[Experiment]:
    """Unchanged experiments of the same method and length as one of the others."""
    return [one for one in plain if any((one.method, one.steps) == (other.method, other.steps) for other in others)]


def _steps(found: Reproduction, plain: Sequence[Experiment]) -> Contrast:
    title, note = "Training steps", "The same method for more steps: a late fall would be a collapse."
    lengths = {}
    for one in plain:
        lengths.setdefault(one.method, []).append(one)
    several = [some for some in lengths.values() if len({one.steps for one in some}) > 1]
    settings = tuple(
        Setting(one, f"{one.steps} steps") for some in several for one in sorted(some, key=lambda one: one.steps)
    )
    if not settings:
        return Contrast(title, note, (), "no method was trained for several numbers of steps")
    return Contrast(title, note, settings, charts=_drawn(found, "More steps", settings, ("task", "average")))


def _sizes(found: Reproduction) -> Contrast:
    title = "Resolution and sampler steps"
    note = "Fewer sampler steps or pixels in training are cheaper and easier to hack; in evaluation: see above."
    settings = tuple(
        Setting(one, _told(found, one)) for one in found.experiments if set(found.changes(one.name)) & SIZES
    )
    return Contrast(title, note, settings, "" if settings else "no experiment changes resolution or sampler steps")


def _told(found: Reproduction, one: Experiment, names: Sequence[str] = ()) -> str:
    """What an experiment changes, in words: all of it, or `names` by their last parts."""
    changes = sorted(found.changes(one.name).items())
    if not names:
        return ", ".join(f"{name} {value}" for name, value in changes)
    told = [f"{name.split('.')[-1].replace('_', ' ')} {value}" for name, value in changes if name in names]
    return ", ".join(told) or "noisy"


def measure_names() -> dict[str, str]:
    return {measure: label_of(measure) for measure in (*NAMES, "average")}
