"""Scores against training steps over the paper's traces, as in its Figures 4 and 5."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from evaluation.generation.run_record import INCIDENTAL
from evaluation.report.reading import Evaluated, training_of
from evaluation.scoring.comparing import NotComparable, differences
from evaluation.scoring.judged_run import load_run
from evaluation.scoring.published import TRACED, demonstrator, traces
from evaluation.scoring.run_scores import score
from evaluation.scoring.score_file import Estimate, RunScores
from evaluation.scoring.training_curve import Point, curve
from models.vlm.questions import label_of
from pages.charts import Level, Lines, Series
from pages.roles import METHODS, styles_of

FIGURE = {"average": "Figure 4", "pickscore": "Figure 4"}  # others: Figure 5
ALIKE = 3  # how many times as many steps one side may have before the paper gets an axis of its own


@dataclass(frozen=True)
class Curves:
    """Charts of the trainings that have several steps, their points, and why others are no curve."""

    charts: tuple[Lines, ...] = ()
    points: tuple[tuple[str, tuple[Point, ...]], ...] = ()
    refused: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Training:
    """One line: its points, and the base and the Demonstrator over the very same samples, where they were evaluated."""

    name: str
    points: tuple[Point, ...]
    samples: int
    samples_sha256: str
    references: tuple[tuple[Evaluated, RunScores], ...]


def curves(runs: Sequence[Evaluated]) -> Curves:
    """Of all runs that have a step and scores; those of one benchmark, role and training (run.json) make a line.

    The base under T is its step 0. Where points are of a part of the benchmark, so are step 0 and the lines beside.
    """
    trainings: dict[tuple[str, ...], list[Evaluated]] = {}
    for one in runs:
        if one.record.step is not None and one.scores is not None:
            trainings.setdefault(training_of(one), []).append(one)
    found: list[Training] = []
    refused = []
    for key, members in trainings.items():
        name = next(filter(None, (key[4], key[3], key[2], members[0].name)))
        try:
            found.append(_training(name, members, runs))
        except (NotComparable, ValueError) as error:
            refused.append((name, str(error)))
    if not found:
        return Curves(refused=tuple(refused))
    questions = list(dict.fromkeys(name for one in found for point in one.points for name in point.questions))
    wanted: dict[str, Callable[[Point], Estimate | None]] = {
        question: lambda point, question=question: point.questions.get(question) for question in questions
    }
    wanted |= {"average": lambda point: point.average, "pickscore": lambda point: point.pickscore}
    drawn = [_chart(measure, found, get) for measure, get in wanted.items()]
    points = tuple((one.name, one.points) for one in found)
    return Curves(tuple(one for one in drawn if one is not None), points, tuple(refused))


def _training(name: str, members: Sequence[Evaluated], runs: Sequence[Evaluated]) -> Training:
    first = members[0]
    ids = frozenset(one.sample_id for one in first.run.samples)
    references = []
    for role, conditioning in (("base", "task"), ("demonstrator", "demonstrator")):
        alike = (one for one in runs if (one.role, one.record.conditioning) == (role, conditioning))
        scored = ((one, scores) for one in alike if (scores := _over(one, ids, first)) is not None)
        references += list(islice(scored, 1))
    points = [one.scores for one in members]
    if all(one.step for one in points):
        points += [scores.model_copy(update={"step": 0}) for one, scores in references if one.role == "base"]
    return Training(name, curve(points), first.scores.samples, first.scores.samples_sha256, tuple(references))


def _over(one: Evaluated, ids: frozenset[str], point: Evaluated) -> RunScores | None:
    """Scores of the model without an adapter over the samples `ids` of `point`; None where it is not of the same."""
    if one.scores is None or one.record.step is not None or one.record.lora or _set_up(one) != _set_up(point):
        return None
    scores = one.scores
    if scores.samples_sha256 != point.scores.samples_sha256:
        if not ids <= one.samples.keys():
            return None
        scores = score(load_run(one.folder, judge=scores.judge, only=ids))
    return None if differences(scores, point.scores) else scores


def _set_up(one: Evaluated) -> tuple[Any, ...]:
    """What an adapter's run shares with its base's."""
    record = one.record
    model = {name: value for name, value in record.model.items() if name not in INCIDENTAL}
    return one.benchmark, record.identity, model, record.sampler, record.seeds


def _chart(measure: str, found: Sequence[Training], get: Callable[[Point], Estimate | None]) -> Lines | None:
    ours = []
    for training, style in zip(found, styles_of([training.name for training in found]), strict=True):
        if one := measured(training.name, [(point.step, get(point)) for point in training.points], style):
            ours.append(one)
    if not ours:
        return None
    title = "PickScore / 26" if measure == "pickscore" else label_of(measure)
    tasks = " and ".join(str(count) for count in sorted({one.samples for one in found}))
    return chart(title, measure, ours, paper_series(measure), _levels(measure, found), f"{tasks} tasks a point.")


def measured(name: str, estimates: Sequence[tuple[float, Estimate | None]], style: str) -> Series | None:
    """A line of ours through (x, estimate), without those that are not known; a band where all have an interval."""
    known = [(x, one) for x, one in estimates if one is not None and one.value is not None]
    if not known:
        return None
    places, values = zip(*known, strict=True)
    band = tuple((one.low, one.high) for one in values)
    whole = all(None not in edges for edges in band)
    return Series(name, places, tuple(one.value for one in values), band if whole else (), style)


def chart(
    title: str,
    measure: str,
    ours: Sequence[Series],
    theirs: Sequence[Series],
    levels: Sequence[Level],
    first: str = "",
) -> Lines:
    """Ours over the paper's traces by optimizer steps; the paper's on an axis of their own where they are far apart.

    `first` begins the note.
    """
    last, papers = (max((x for one in some for x in one.x), default=0) for some in (ours, theirs))
    apart = bool(theirs) and not (papers <= ALIKE * last and last <= ALIKE * papers)
    note = f"{first} Bands: 95 %." if any(one.band for one in ours) else first
    if theirs:
        figure = FIGURE.get(measure, "Figure 5")
        note += f" Dashed: the paper's {figure}, with another model, other tasks, another judge: compare only shapes."
    if apart:
        note += f" The paper's steps, 0 to {papers}, are on the axis at the top."
    return Lines(
        title,
        (*ours, *theirs),
        tuple(levels),
        y_name=title.rpartition(": ")[2],
        x_paper="steps in the paper" if apart else "",
        unit=measure != "pickscore",
        note=note.strip(),
    )


def paper_series(measure: str, methods: Sequence[str] = tuple(METHODS)) -> list[Series]:
    """The paper's traces of a measure; none of one that it has no curve of."""
    if measure not in TRACED:
        return []
    return [
        Series(f"paper: {METHODS[method].label}", steps, values, style=method, ours=False)
        for method, (steps, values) in traces(measure).items()
        if method in methods
    ]


def paper_level(measure: str) -> list[Level]:
    """The Demonstrator's line in the paper's figure of a measure, where it has one."""
    if measure not in TRACED:
        return []
    return [Level("paper: Demonstrator", demonstrator(measure), "demonstrator", ours=False)]


def _levels(measure: str, found: Sequence[Training]) -> list[Level]:
    """Base and Demonstrator, which no training changes, over the samples of the lines; and the paper's Demonstrator."""
    several = len({one.samples_sha256 for one in found}) > 1
    levels = {}
    for training in found:
        for one, scores in training.references:
            known = estimate_of(scores, measure)
            if known is not None and (value := known.value) is not None:
                name = f"{one.label}, {training.samples} tasks" if several else one.label
                levels[name, value] = Level(name, value, one.role)
    return [*levels.values(), *paper_level(measure)]


def estimate_of(scores: RunScores, measure: str) -> Estimate | None:
    """A run's rate of a question, its average, or its PickScore / 26; None where it has none."""
    if measure == "average":
        return scores.average.rate
    if measure == "pickscore":
        return scores.pickscore.scaled if scores.pickscore else None
    return scores.questions[measure].rate if measure in scores.questions else None
