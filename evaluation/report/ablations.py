"""The paper's ablations from a reproduction: methods, beta_d, rewards, judge noise, steps, sizes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evaluation.report.reproduction import Experiment, Reproduction
from evaluation.report.trained import (
    BASELINES,
    DISTILLATION,
    WITH_REWARDS,
    Setting,
    at_the_end,
    by_method,
    contrasted,
    metric,
    sweep,
)
from models.vlm.questions import NAMES, QUESTIONS, label_of
from pages.charts import Chart, Dots, Lines
from pages.roles import styles_of

CONSISTENCY = "rewards.consistency"
# Last names of options of a judge that errs, and beginnings of experiments' names.
NOISE = ("judge_noise", "judge_flip")
# What decides how many sampler steps, and how many pixels and frames, training and evaluation see.
SIZES = {"rollout.steps", "rollout.height", "rollout.width", "rollout.frames", "model.height", "model.width"}
SIZES |= {"model.frames"}


@dataclass(frozen=True)
class Contrast:
    """Settings that differ in one thing, with their curves; `absent` says what there is none of."""

    title: str
    note: str
    settings: tuple[Setting, ...]
    absent: str = ""
    charts: tuple[Lines, ...] = ()

    @property
    def styles(self) -> list[str]:
        """Of the settings, as their curves have them."""
        return styles_of([""] * len(self.settings))


@dataclass(frozen=True)
class Ablations:
    """All that a reproduction has to show. `ends` are dots a measure, the others lines; `beta_d` None where absent."""

    settings: tuple[Setting, ...]
    ends: tuple[Dots, ...]
    rewards: tuple[Lines, ...]
    distillation: tuple[Lines, ...]
    beta_d: Lines | None
    consistency: Contrast
    judges: Contrast
    steps: Contrast
    sizes: Contrast
    absent: tuple[str, ...]

    @property
    def charts(self) -> tuple[Lines, ...]:
        return (*self.rewards, *self.distillation, *([self.beta_d] if self.beta_d else []))

    @property
    def contrasts(self) -> tuple[Contrast, ...]:
        return self.consistency, self.judges, self.steps, self.sizes

    @property
    def pictures(self) -> dict[str, tuple[Chart, ...]]:
        """The charts that training.reproduction draws, by the names of its files."""
        return {
            "scores": self.ends,
            "distillation": self.distillation,
            "rewards": self.rewards,
            "beta_d": (self.beta_d,) if self.beta_d else (),
            "consistency": self.consistency.charts,
            "stability": self.steps.charts,
        }


def ablations(found: Reproduction, usual: Mapping[str, Any] | None = None) -> Ablations:
    """Charts and contrasts of what ended, and sentences about what did not run.

    `usual`: options that experiments change from, by dotted names, as far as they are known.
    """
    plain = [one for one in found.experiments if not found.changes(one.name) and not _noise(found, one)]
    steps = _usual_steps(plain)
    alike, absent = [one for one in plain if one.steps == steps], []

    def methods(title: str, measure: str, names: Sequence[str], paper: bool = True) -> tuple[Lines, ...]:
        if drawn := by_method(found, alike, title, measure, names, paper):
            return (drawn,)
        absent.append(f"{title}: none of {', '.join(names)} was scored during training")
        return ()

    rewards = [drawn for one in QUESTIONS for drawn in methods(f"Rewards: {one.label}", one.name, WITH_REWARDS)]
    distillation = (
        *methods("Distillation without rewards: Average", "average", DISTILLATION),
        *methods("Baselines: Average", "average", BASELINES, paper=False),
    )
    beta_d = sweep(found, plain, usual or {})
    if beta_d is None:
        absent.append("Weight of the anchor (beta_d): fewer than two values have a score at the end")
    measures = [one.name for one in QUESTIONS if one.weight] + ["average"]
    return Ablations(
        tuple(Setting(one, _told(found, one)) for one in found.experiments),
        tuple(drawn for measure in measures if (drawn := at_the_end(found, measure))),
        tuple(rewards),
        distillation,
        beta_d,
        _consistency(found, plain),
        _judges(found, plain),
        _steps(found, plain, steps),
        _sizes(found),
        tuple(absent),
    )


def _usual_steps(plain: Sequence[Experiment]) -> int:
    """The number of steps that most unchanged experiments have."""
    steps = [one.steps for one in plain]
    return max(sorted(set(steps)), key=steps.count, default=0)


def _charts(*drawn: Lines | None) -> tuple[Lines, ...]:
    return tuple(one for one in drawn if one is not None)


def _consistency(found: Reproduction, plain: Sequence[Experiment]) -> Contrast:
    title = "Consistency reward on and off"
    note = "Off: if Task holds while Consistency falls, the reward is hacked."
    off = [
        one
        for one in found.experiments
        if set(found.changes(one.name)) == {CONSISTENCY} and not float(found.changes(one.name)[CONSISTENCY])
    ]
    on = _twins(plain, off)
    if not off or not on:
        return Contrast(title, note, (), "no pair of experiments differs in the consistency reward alone")
    settings = [Setting(one, "on") for one in on] + [Setting(one, "off") for one in off]
    reward = metric(found, "Task reward in training", settings, "reward_task", "log-odds")
    charts = _charts(reward, *contrasted(found, title, settings, ("task", "consistency")))
    return Contrast(title, note, tuple(settings), charts=charts)


def _judges(found: Reproduction, plain: Sequence[Experiment]) -> Contrast:
    title = "Training before a noisy judge"
    note = "What a judge that errs in training does to the Executor. Trust shows how often it errs, if it judged here."
    noisy = [one for one in found.experiments if _noise(found, one)]
    if not noisy:
        return Contrast(title, note, (), "no experiment was trained with a judge that errs")
    told = {one.name: _told(found, one, _noise(found, one)) for one in noisy}
    settings = [Setting(one, "the usual judge") for one in _twins(plain, noisy)]
    settings += [Setting(one, told[one.name]) for one in sorted(noisy, key=lambda one: told[one.name])]
    return Contrast(title, note, tuple(settings), charts=tuple(contrasted(found, title, settings, ("task", "average"))))


def _noise(found: Reproduction, one: Experiment) -> tuple[str, ...]:
    """What an experiment changes about its judge's noise; its name where that alone says so; none: nothing."""
    changed = tuple(name for name in found.changes(one.name) if name.split(".")[-1] in NOISE)
    return changed or ((one.name,) if one.name.startswith(NOISE) else ())


def _twins(plain: Sequence[Experiment], others: Sequence[Experiment]) -> list[Experiment]:
    """Unchanged experiments of the same method and length as one of the others."""
    return [one for one in plain if any((one.method, one.steps) == (other.method, other.steps) for other in others)]


def _steps(found: Reproduction, plain: Sequence[Experiment], usual: int) -> Contrast:
    title, note = "Training steps", "The same method trained for more steps. A late fall would be a collapse."
    lengths = {}
    for one in plain:
        lengths.setdefault(one.method, []).append(one)
    several = [some for some in lengths.values() if len({one.steps for one in some}) > 1]
    settings = tuple(
        Setting(one, f"{one.steps} steps") for some in several for one in sorted(some, key=lambda one: one.steps)
    )
    if not settings:
        return Contrast(title, note, (), "no method was trained for several numbers of steps")
    distilled = [Setting(one) for one in plain if one.method == "on_policy_full" and one.steps == usual]
    name = "Disagreement with the Demonstrator in training"
    apart = metric(found, name, [*settings, *distilled], "disagreement", "disagreement (Eq. 4)")
    charts = _charts(*contrasted(found, "More steps", settings, ("task", "average")), apart)
    return Contrast(title, note, settings, charts=charts)


def _sizes(found: Reproduction) -> Contrast:
    title = "Resolution and sampler steps"
    note = "Fewer sampler steps or pixels in training are cheaper, but easier to hack. For evaluation see above."
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
