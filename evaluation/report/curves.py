"""Scores against training steps over the paper's traces, as in its Figures 4 and 5."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from evaluation.records import QUESTIONS
from evaluation.report.charts import Level, Series, lines
from evaluation.report.reading import Evaluated, training_of
from evaluation.report.tables import question_name
from evaluation.statistics.comparing import NotComparable
from evaluation.statistics.curve import Point, curve
from evaluation.statistics.published import demonstrator, traces
from evaluation.statistics.summary import Estimate

# Training method -> what the paper calls it, and its colour and marker wherever it is drawn.
METHODS = {
    "wmsd": ("on-policy + RL (WMSD)", 0),
    "rl_only": ("RL only", 1),
    "alternating": ("alternating + RL", 2),
    "off_policy_teacher_rl": ("off-policy + Demonstrator RL", 3),
    "on_policy_anchor": ("on-policy, anchor", 4),
    "on_policy_full": ("on-policy, full", 2),
    "off_policy": ("off-policy", 5),
}
FIGURE = {"average": "Figure 4", "pickscore": "Figure 4"}  # others: Figure 5
ALIKE = 3  # how many times as many steps one side may have before the paper gets an axis of its own


@dataclass(frozen=True)
class Chart:
    """A drawn chart with its words and legend."""

    title: str
    note: str
    svg: Markup
    series: tuple[Series, ...]
    levels: tuple[Level, ...]


@dataclass(frozen=True)
class Curves:
    """Charts of the trainings that have several steps, their points, and why others are no curve."""

    charts: tuple[Chart, ...] = ()
    points: tuple[tuple[str, tuple[Point, ...]], ...] = ()
    refused: tuple[tuple[str, str], ...] = ()


def curves(runs: Sequence[Evaluated]) -> Curves:
    """Of all runs that have a step and scores; those of one benchmark, role and training (run.json) make a line."""
    trainings: dict[tuple[str, ...], list[Evaluated]] = {}
    for one in runs:
        if one.record.step is not None and one.scores is not None:
            trainings.setdefault(training_of(one), []).append(one)
    found: list[tuple[str, tuple[Point, ...]]] = []
    refused = []
    for key, members in trainings.items():
        name = key[3] or key[2] or members[0].name
        try:
            found.append((name, curve([one.scores for one in members])))
        except (NotComparable, ValueError) as error:
            refused.append((name, str(error)))
    if not found:
        return Curves(refused=tuple(refused))
    questions = list(dict.fromkeys(question for _, points in found for one in points for question in one.questions))
    wanted: dict[str, Callable[[Point], Estimate | None]] = {
        question: lambda point, question=question: point.questions.get(question) for question in questions
    }
    wanted |= {"average": lambda point: point.average, "pickscore": lambda point: point.pickscore}
    drawn = [
        _chart(measure, found, get, runs, measure in (*QUESTIONS, "average", "pickscore"))
        for measure, get in wanted.items()
    ]
    return Curves(tuple(one for one in drawn if one is not None), tuple(found), tuple(refused))


def _chart(
    measure: str,
    found: Sequence[tuple[str, tuple[Point, ...]]],
    get: Callable[[Point], Estimate | None],
    runs: Sequence[Evaluated],
    published: bool,
) -> Chart | None:
    ours = []
    for style, (name, points) in enumerate(found):
        known = [(point.step, one) for point in points if (one := get(point)) is not None and one.value is not None]
        if known:
            steps, values = zip(*known, strict=True)
            band = tuple((one.low, one.high) for one in values)
            whole = all(None not in edges for edges in band)
            ours.append(Series(name, steps, tuple(one.value for one in values), band if whole else (), style))
    if not ours:
        return None
    theirs = paper_series(measure) if published else []
    title = "PickScore / 26" if measure == "pickscore" else question_name(measure)
    return chart(title, measure, ours, theirs, _levels(measure, runs, published))


def chart(title: str, measure: str, ours: Sequence[Series], theirs: Sequence[Series], levels: Sequence[Level]) -> Chart:
    """Ours over the paper's traces by optimizer steps; the paper's on an axis of their own where they are far apart."""
    last, papers = (max((x for one in some for x in one.x), default=0) for some in (ours, theirs))
    apart = bool(theirs) and not (papers <= ALIKE * last and last <= ALIKE * papers)
    note = "Bands: 95 %." if any(one.band for one in ours) else ""
    if theirs:
        figure = FIGURE.get(measure, "Figure 5")
        note += f" Dashed: the paper's {figure}, another model, other tasks, another judge: only shapes compare."
    if apart:
        note += f" The paper's steps, 0 to {papers}, are on the axis at the top."
    svg = lines(
        [*ours, *theirs], levels, "optimizer steps", title, f"{title} against optimizer steps",
        x_paper="steps in the paper" if apart else "", unit=measure != "pickscore",
    )  # fmt: skip
    return Chart(title, note.strip(), svg, (*ours, *theirs), tuple(levels))


def paper_series(measure: str, methods: Sequence[str] = tuple(METHODS)) -> list[Series]:
    """The paper's traces of a question, of the average or of PickScore."""
    return [
        Series(f"paper: {METHODS[method][0]}", steps, values, style=METHODS[method][1], ours=False)
        for method, (steps, values) in traces(measure).items()
        if method in methods
    ]


def _levels(measure: str, runs: Sequence[Evaluated], published: bool) -> list[Level]:
    """Base and Demonstrator, which no training changes, and the paper's Demonstrator."""
    levels = []
    for role in ("base", "demonstrator"):
        one = next((run for run in runs if run.role == role and run.record.step is None and run.scores), None)
        value = None if one is None else _score(one, measure)
        if value is not None:
            levels.append(Level(one.label, value, second=role == "demonstrator"))
    if published:
        levels.append(Level("paper: Demonstrator", demonstrator(measure), ours=False))
    return levels


def _score(one: Evaluated, measure: str) -> float | None:
    scores = one.scores
    if measure == "average":
        return scores.average.rate.value
    if measure == "pickscore":
        return scores.pickscore.scaled.value if scores.pickscore else None
    return scores.questions[measure].rate.value if measure in scores.questions else None
