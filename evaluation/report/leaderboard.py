"""Leaderboard, comparisons and breakdowns: what a reader sees of evaluation/scoring/, nothing computed anew."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

from evaluation.report.reading import Evaluated
from evaluation.scoring.comparing import NotComparable, RunComparison, compare_runs
from evaluation.scoring.published import PAPER_QUESTIONS, published, table1, table4
from evaluation.scoring.score_file import ALIKE, Cell, Estimate
from models.vlm.questions import label_of

FIGURE7 = {"task_type": "task", "agent_category": "agent"}  # which question the paper breaks down by what
DIMENSIONS = {"task_type": "task type", "agent_category": "addressed agent", "group": "group of the benchmark"}
MOST_CATEGORIES = 40
LEVEL = 0.05  # of tests, as the intervals are of 95 %


@dataclass(frozen=True)
class PaperRow:
    """A row of the paper's Table 1 with the counts of its Table 4 and Wilson intervals."""

    label: str
    cells: dict[str, Estimate]
    counts: dict[str, tuple[int, int]]
    average: float
    seconds: float


def paper_rows() -> list[PaperRow]:
    counted = {row.key: row for row in table4()}
    rows = []
    for row in table1():
        rates = counted[row["key"]].rates
        cells = {
            question: Estimate(value=row[question], low=one.interval[0], high=one.interval[1], method="Wilson")
            for question, one in rates.items()
        }
        counts = {question: (one.successes, one.valid) for question, one in rates.items()}
        rows.append(PaperRow(row["label"], cells, counts, row["average"], row["e2e_s"]))
    return rows


@dataclass(frozen=True)
class Pair:
    """One run against another: the numbers, or why they cannot be compared."""

    ours: Evaluated
    theirs: Evaluated
    found: RunComparison | None
    refused: tuple[str, ...] = ()

    @property
    def sentences(self) -> list[tuple[str, str, Estimate]]:
        """(verdict, sentence, gain) for each question, then for the average."""
        if self.found is None:
            return []
        told = []
        ours, theirs = self.ours.label, self.theirs.label
        for question, one in self.found.questions.items():
            if not one.pairs:
                told.append(("none", f"{label_of(question)}: no pair was judged for both.", one.gain))
                continue
            p_value = "p < 0.0001" if one.p_value < 1e-4 else f"p = {one.p_value:.2g}"
            sentence = (
                f"{label_of(question)}: {ours} {one.ours:.3f}, {theirs} {one.theirs:.3f} over {one.pairs} pairs; "
                f"only {ours} succeeded in {one.better}, only {theirs} in {one.worse} ({one.test}, {p_value})."
            )
            if ALIKE in one.gain.method:
                sentence += f" Interval: {one.gain.method}."
            told.append((verdict(one.gain, one.p_value), sentence, one.gain))
        average = self.found.average
        told.append((verdict(average), f"Average of the questions ({average.method}).", average))
        if self.found.pickscore_raw is not None:
            raw = self.found.pickscore_raw
            told.append((verdict(raw), f"PickScore, raw ({raw.method}).", raw))
        return told


def verdict(gain: Estimate, p_value: float | None = None) -> str:
    """higher, lower: the 95 % interval leaves out zero, and so does the test where there is one; open: neither does;
    torn: only one of the two does, as happens with few samples; none: nothing is known."""
    if gain.low is None or gain.high is None:
        return "none"
    beyond = gain.low > 0 or gain.high < 0
    if p_value is not None and beyond != (p_value < LEVEL):
        return "torn"
    return ("higher" if gain.low > 0 else "lower") if beyond else "open"


def pairs(runs: Sequence[Evaluated], reference: str = "") -> list[Pair]:
    """Every scored run against the reference, and Executors against the other runs of their benchmark.

    `reference` is a run's name; empty: the run of role base, or the first one. Raises ValueError for an unknown name.
    """
    names = [one.name for one in runs]
    if reference and reference not in names:
        raise ValueError(f"reference {reference!r} is not a run: choose one of {names}")
    scored = [one for one in runs if one.run is not None]
    base = next((one for one in runs if one.name == reference or (not reference and one.role == "base")), None)
    if base is None or base.run is None:
        base = scored[0] if scored and not reference else None
    wanted = [(one, base) for one in scored if base is not None and one is not base]
    for first, second in combinations(scored, 2):
        ours, theirs = (second, first) if second.role == "executor" else (first, second)
        if ours.role == "executor" and theirs is not base and ours is not base:
            wanted.append((ours, theirs))
    return [_pair(ours, theirs) for ours, theirs in wanted]


def _pair(ours: Evaluated, theirs: Evaluated) -> Pair:
    try:
        return Pair(ours, theirs, compare_runs(ours.run, theirs.run))
    except NotComparable as error:
        return Pair(ours, theirs, None, error.differences)


@dataclass(frozen=True)
class CategoryRow:
    """One category of a breakdown: a cell a run, and the paper's two numbers where it has the category."""

    category: str
    samples: int
    cells: tuple[tuple[Evaluated, Cell | None], ...]
    paper: str = ""


@dataclass(frozen=True)
class Breakdown:
    """Scores of one question by category."""

    dimension: str
    question: str
    rows: tuple[CategoryRow, ...]
    left_out: int = 0

    @property
    def title(self) -> str:
        return f"{label_of(self.question)} by {DIMENSIONS[self.dimension]}"


def breakdowns(runs: Sequence[Evaluated]) -> list[Breakdown]:
    """By task type and by agent as in the paper's Figure 7, and by a benchmark's own groups; largest category first."""
    scored = [one for one in runs if one.scores is not None]
    made = []
    for dimension in DIMENSIONS:
        questions = list(dict.fromkeys(question for one in scored for question in one.scores.questions))
        wanted = FIGURE7.get(dimension)
        question = wanted if wanted in questions else next(iter(questions), None)
        samples: dict[str, int] = {}
        cells: dict[tuple[str, str], Cell] = {}
        for one in scored:
            for category in one.scores.breakdown:
                if category.dimension == dimension and question in category.questions:
                    samples[category.category] = max(category.samples, samples.get(category.category, 0))
                    cells[one.name, category.category] = category.questions[question]
        # A single category breaks nothing down.
        if len(samples) < 2:
            continue
        ordered = sorted(samples, key=lambda name: (-samples[name], name))
        paper = _paper_breakdown(dimension) if set(questions) == set(PAPER_QUESTIONS) else {}
        rows = tuple(
            CategoryRow(
                name,
                samples[name],
                tuple((one, cells.get((one.name, name))) for one in scored),
                paper.get(name, ""),
            )
            for name in ordered[:MOST_CATEGORIES]
        )
        made.append(Breakdown(dimension, question, rows, max(0, len(ordered) - MOST_CATEGORIES)))
    return made


def _paper_breakdown(dimension: str) -> dict[str, str]:
    if dimension not in published()["breakdown"]:
        return {}
    told = {}
    for row in published()["breakdown"][dimension]["rows"]:
        base = "" if row["base_percent"] is None else f"LTX-2 {row['base_percent']} %, "
        told[row["category"]] = f"{base}WMSD {row['wmsd_percent']} % of {row['samples']}"
    return told


@dataclass
class Group:
    """Runs on one version of one benchmark before one judge: what a leaderboard may hold.

    `judge` is named where several judged runs of the benchmark.
    """

    benchmark: str
    version: str
    judge: str = ""
    runs: list[Evaluated] = field(default_factory=list)

    @property
    def questions(self) -> list[str]:
        return list(dict.fromkeys(question for one in self.runs if one.scores for question in one.scores.questions))

    @property
    def papers(self) -> list[PaperRow]:
        """The paper's rows, beside runs that were asked its three questions."""
        return paper_rows() if set(self.questions) == set(PAPER_QUESTIONS) else []


def groups(runs: Sequence[Evaluated]) -> list[Group]:
    """A group a benchmark and judge. Runs without scores stand beside the first judge's of their benchmark."""
    first: dict[tuple[str, str], str] = {}
    for one in runs:
        if one.scores:
            first.setdefault(one.benchmark, one.scores.judge)
    found: dict[tuple[str, ...], Group] = {}
    for one in runs:
        judge = one.scores.judge if one.scores else first.get(one.benchmark, "")
        several = any(
            other.scores and other.scores.judge != judge for other in runs if other.benchmark == one.benchmark
        )
        group = Group(*one.benchmark, judge if several else "")
        found.setdefault((*one.benchmark, judge), group).runs.append(one)
    return list(found.values())
