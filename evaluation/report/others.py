"""Tables of other benchmarks (DreamGen Bench, VBVR-Bench, VBench) that lie in runs' folders, as the page shows them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import Field, ValidationError

from evaluation.benchmarks.vbench.table import VbenchTable
from evaluation.benchmarks.vbvr import table as vbvr
from evaluation.report.reading import Evaluated
from evaluation.scoring.published import published
from evaluation.scoring.score_file import Strict
from evaluation.stored import FOLDERS, TABLE


@dataclass(frozen=True)
class Cell:
    """A number with its 95 % interval and what it is made of, where these are known."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    counts: str = ""


@dataclass(frozen=True)
class Row:
    """`name` of the run, `part` of the benchmark or the model's variant, and a cell for each column that it has."""

    name: str
    part: str
    cells: dict[str, Cell]


@dataclass(frozen=True)
class Other:
    """One benchmark's table. `notes` say what a reader has to know, each with the runs that it is about."""

    title: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Others:
    """All tables, `runs` that have one (names), and files that could not be read, with the reason."""

    tables: tuple[Other, ...] = ()
    runs: frozenset[str] = frozenset()
    refused: tuple[tuple[str, str], ...] = ()


class Rate(Strict):
    successes: int
    valid: int
    failed: int
    share: float | None
    low: float | None
    high: float | None


class MeanYes(Strict):
    value: float
    low: float
    high: float
    videos: int


class DreamgenPair(Strict):
    run: str
    first: str
    column: str
    pairs: int
    better: int
    worse: int
    gain: float
    low: float
    high: float
    p_value: float
    test: str


class DreamgenRow(Strict):
    group: str
    videos: int
    expected: int
    rates: dict[str, Rate]
    pa: float | None
    pa_low: float | None
    pa_high: float | None
    means: dict[str, MeanYes] = Field(default_factory=dict)


class DreamgenTable(Strict):
    run: str
    judge: str
    rows: tuple[DreamgenRow, ...]
    notes: tuple[str, ...]
    compared: tuple[DreamgenPair, ...] = ()


def others(runs: Sequence[Evaluated]) -> Others:
    """What the folders of `runs` hold in dreamgen/, vbvr/ and vbench/. A file of another form is told, not raised."""
    tables, having, refused = [], set(), []
    kinds = ((DreamgenTable, _dreamgen), (vbvr.Table, _vbvr), (VbenchTable, _vbench))
    for folder, (kind, made) in zip(FOLDERS, kinds, strict=True):
        found = []
        for one in runs:
            path = one.folder / folder / TABLE
            try:
                found.append((one, kind.model_validate_json(path.read_bytes())))
                having.add(one.name)
            except FileNotFoundError:
                continue
            except (ValidationError, OSError) as error:
                refused.append((f"{one.label}, {folder}/{TABLE}", _why(error)))
        if found:
            tables.append(made(found))
    return Others(tuple(tables), frozenset(having), tuple(refused))


def _why(error: ValidationError | OSError) -> str:
    if isinstance(error, OSError):
        return str(error.strerror)
    return "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()[:3])


def _dreamgen(found: Sequence[tuple[Evaluated, DreamgenTable]]) -> Other:
    rows = []
    for run, table in found:
        for one in table.rows:
            cells = {
                name: Cell(rate.share, rate.low, rate.high, f"{rate.successes} / {rate.valid}")
                for name, rate in one.rates.items()
            }
            if one.pa is not None:
                cells["PA"] = Cell(one.pa, one.pa_low, one.pa_high, "mean of PA-I and PA-II")
            for name, mean in one.means.items():
                cells[f"{name}, mean P(Yes)"] = Cell(mean.value, mean.low, mean.high, f"{mean.videos} videos")
            failed = sum(rate.failed for rate in one.rates.values())
            cells["Videos"] = Cell(counts=f"{one.videos} of {one.expected}")
            cells["Failed judgements"] = Cell(counts=str(failed))
            rows.append(Row(run.label, one.group, cells))
    labels = {run.name: run.label for run, _ in found}
    gains: dict[tuple[str, str], dict[str, Cell]] = {}
    for pair in (pair for _, table in found for pair in table.compared):
        p_value = f"{pair.better} better, {pair.worse} worse, p = {pair.p_value:.2g}"
        gains.setdefault((pair.run, pair.first), {})[pair.column] = Cell(pair.gain, pair.low, pair.high, p_value)
    for (one, first), cells in gains.items():
        rows.append(Row(labels.get(one, one), f"all: gain on {labels.get(first, first)}", cells))
    printed = "; ".join(
        f"{row['group']} {row['best_zero_shot']['percent']} / {row['best_sft']['percent']} / "
        f"{row['wmsd_ltx2']['percent']} % of {row['samples']}"
        for row in published()["dreamgen"]["rows"]
    )
    notes = [*_notes((run.label, table.notes) for run, table in found)]
    notes.append(("the paper", f"best zero-shot / best SFT / WMSD LTX-2, by a metric that it does not name: {printed}"))
    caption = "IF: instruction following, in both published modes; PA-I: physics by our judge; PA-II: by VideoPhy"
    return Other("DreamGen Bench", caption, _columns(rows, last=("PA", "Videos", "Failed judgements")), tuple(rows),
                 tuple(notes))  # fmt: skip


def _vbvr(found: Sequence[tuple[Evaluated, vbvr.Table]]) -> Other:
    """A run's own row, and its difference to the first run where a table has that."""
    labels = {run.name: run.label for run, _ in found}
    kept: dict[tuple[str, str, str], vbvr.Row] = {}
    for _, table in found:
        for one in table.rows:
            key = one.run, one.variant, one.scoring
            if one.run in labels and (key not in kept or kept[key].difference is None):
                kept[key] = one
    rows = []
    for one in kept.values():
        cells = {name: _mean(mean) for name, mean in one.parts.items()}
        if one.difference is not None:
            cells["All - first"] = _mean(one.difference)
        cells["Scoring"] = Cell(counts=one.scoring)
        rows.append(Row(labels[one.run], one.variant, cells))
    caption = "Mean scores by the official evaluator, 0 to 1; intervals draw tasks. Two scorings are not comparable"
    return Other("VBVR-Bench", caption, _columns(rows, last=("All - first", "Scoring")), tuple(rows),
                 _notes((labels[one.run], one.notes) for one in kept.values()))  # fmt: skip


def _mean(one: vbvr.Mean) -> Cell:
    return Cell(one.value, one.low, one.high, f"{one.samples} samples, {one.tasks} tasks")


def _vbench(found: Sequence[tuple[Evaluated, VbenchTable]]) -> Other:
    rows = []
    for run, table in found:
        cells = {
            one.dimension.replace("_", " "): Cell(one.mean, one.low, one.high, f"{one.videos} videos")
            for one in table.rows
        }
        rows.append(Row(run.label, "", cells))
        for name in dict.fromkeys(one.run for one in table.compared):
            gains = {
                one.dimension.replace("_", " "): Cell(one.gain, one.low, one.high, f"{one.videos} pairs")
                for one in table.compared
                if one.run == name
            }
            rows.append(Row(name, f"gain on {run.label}", gains))
    about = "Means of the dimensions that need no prompts of its own, 0 to 1. Those with i2v are VBench-I2V's"
    return Other("VBench", about, _columns(rows),
                 tuple(rows), _notes((run.label, table.notes) for run, table in found))  # fmt: skip


def _columns(rows: Sequence[Row], last: Sequence[str] = ()) -> tuple[str, ...]:
    names = dict.fromkeys(name for row in rows for name in row.cells)
    return (*(name for name in names if name not in last), *(name for name in last if name in names))


def _notes(told: Iterable[tuple[str, Sequence[str]]]) -> tuple[tuple[str, str], ...]:
    """Each sentence once, with all that it is about."""
    about: dict[str, list[str]] = {}
    for label, notes in told:
        for note in notes:
            about.setdefault(note, []).append(label)
    return tuple((", ".join(dict.fromkeys(labels)), note) for note, labels in about.items())
