"""The measured values of the frame stages: how they are spread, and what other thresholds would keep."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from assets.report import paper
from assets.report.scan import Tables, batches
from assets.schemas import KEPT
from storage.tables import read_meta

BINS = 40
LOG_FLOOR = 0.1  # a logarithmic axis starts no lower: a flat picture has a Laplacian variance of 0
QUANTILES = 513  # about 4 KB of page each, and a sharper answer than a slider of 300 pixels can ask for


@dataclass(frozen=True)
class Measure:
    """A column and where its thresholds are found: an option's name, or "column:NAME" for one kept in every row.

    A row passes when `low` <= value <= `high`. `tries` are the thresholds of the printed table: fractions for "kept"
    (the share to keep), else values.
    """

    stage: str
    column: str
    title: str
    explains: str
    low: str = ""
    high: str = ""
    span: tuple[float, float] | None = None
    log: bool = False
    low_tries: tuple[float, ...] = ()
    high_tries: tuple[float, ...] = ()
    tries_are_shares: bool = False


RATIO_TRIES = (0.5, 0.7, 0.8, 0.85, 0.9, 0.95)
MEASURES = (
    Measure(
        "quality", "laplacian_var", "Sharpness: variance of the Laplacian", "Low is blurred. Logarithmic axis.",
        low="min_laplacian_var", log=True, low_tries=(3, 6, 12, 25, 50, 100, 200),
    ),
    Measure(
        "quality", "mean_luma", "Brightness: mean luma", "Levels from 0, black, to 255, white.",
        low="min_mean_luma", high="max_mean_luma", span=(0, 255),
        low_tries=(10, 20, 30, 40, 60), high_tries=(195, 215, 225, 235, 245),
    ),
    Measure(
        "quality", "black_ratio", "Near-black pixels", "Share of the picture's pixels.",
        high="max_black_ratio", span=(0, 1), high_tries=RATIO_TRIES,
    ),
    Measure(
        "quality", "white_ratio", "Near-white pixels", "Share of the picture's pixels.",
        high="max_white_ratio", span=(0, 1), high_tries=RATIO_TRIES,
    ),
    Measure(
        "quality", "luma_std", "Contrast: standard deviation of luma", "Levels. Near 0 the picture is one flat tone.",
        low="min_luma_std", span=(0, 128), low_tries=(2, 5, 10, 20, 30),
    ),
    Measure("aesthetics", "aesthetic", "Aesthetic score", "The scorer's own scale; higher is better."),
    Measure(
        "aesthetics", "score", "Combined quality score", "Aesthetic rank, sharpness and exposure together; 0 to 1.",
        low="column:cut_score", span=(0, 1), low_tries=(1.0, 0.95, 0.9, 0.8, 0.7, 0.5), tries_are_shares=True,
    ),
    Measure(
        "screening", "log_odds", "Screening: log-odds of yes",
        "log p(yes) - log p(no), natural logarithm. Above 0 the model says yes.",
        low="column:threshold", low_tries=(-4, -2, -1, 0, 1, 2, 4),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Distribution:
    """One measure over all rows of its stage.

    `kept` and `rejected` are row counts per bin between `edges` (BINS + 1 values). `eligible` are the sorted values of
    the rows whose fate hangs on this measure alone: every other threshold of the stage passes them. `conflicts` counts
    rows that the table keeps although a threshold drawn here fails them, so that a reader learns it.
    """

    measure: Measure
    low: float | None
    high: float | None
    edges: np.ndarray
    kept: np.ndarray
    rejected: np.ndarray
    unmeasured: int
    eligible: np.ndarray
    rows: int
    conflicts: int

    def keeps(self, low: float | None, high: float | None) -> int:
        """Rows that the stage would keep with these thresholds on this measure and all others as they are."""
        first = 0 if low is None else int(np.searchsorted(self.eligible, low, "left"))
        last = len(self.eligible) if high is None else int(np.searchsorted(self.eligible, high, "right"))
        return max(0, last - first)

    def quantiles(self) -> list[float]:
        """All eligible values when few, else QUANTILES evenly spaced ones: what the page's script counts with."""
        values = self.eligible
        if len(values) > QUANTILES:
            values = np.quantile(values, np.linspace(0, 1, QUANTILES))
        return [float(f"{value:.7g}") for value in values]

    def alternatives(self) -> list[dict[str, Any]]:
        """Rows {side, threshold, keeps, change, current} for the printed table, the threshold in use among them."""
        rows = []
        for side, current, tries in (
            ("at least", self.low, self.measure.low_tries),
            ("at most", self.high, self.measure.high_tries),
        ):
            thresholds = {float(value) for value in self._values(tries)} | ({current} if current is not None else set())
            for value in sorted(thresholds):
                low, high = (value, self.high) if side == "at least" else (self.low, value)
                keeps = self.keeps(low, high)
                change = keeps - self.keeps(self.low, self.high)
                rows.append(
                    {"side": side, "threshold": value, "keeps": keeps, "change": change, "current": value == current}
                )
        return rows

    def _values(self, tries: Sequence[float]) -> Iterator[float]:
        if not self.measure.tries_are_shares:
            yield from tries
        elif len(self.eligible):
            for share in tries:
                first = len(self.eligible) - max(1, round(share * len(self.eligible)))
                yield float(self.eligible[first])


def distributions(tables: Tables, options: Mapping[str, Any]) -> list[Distribution]:
    """A Distribution for every measure whose stage has a table with at least one measured row.

    Thresholds come from the tables themselves (a column, or the options in the footer), else from `options`, else from
    the paper. Memory is 8 bytes a measured value of one stage.
    """
    found = []
    for stage in dict.fromkeys(measure.stage for measure in MEASURES):
        if tables.get(stage):
            found += _of_stage(stage, tables[stage], options)
    return found


def _of_stage(stage: str, paths: Sequence[Path], options: Mapping[str, Any]) -> list[Distribution]:
    measures = [measure for measure in MEASURES if measure.stage == stage]
    held = [side[7:] for measure in measures for side in (measure.low, measure.high) if side.startswith("column:")]
    values, kept, limits = _load(paths, [measure.column for measure in measures], held)
    known = paper.QUALITY_THRESHOLDS | flat(options) | _footer_options(paths)

    def threshold(name: str) -> float | None:
        value = limits.get(name[7:]) if name.startswith("column:") else known.get(name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    bounds = [(threshold(measure.low), threshold(measure.high)) for measure in measures]
    passes = [
        (column >= (-np.inf if low is None else low)) & (column <= (np.inf if high is None else high))
        if low is not None or high is not None
        else np.ones(len(column), bool)
        for column, (low, high) in zip(values, bounds, strict=True)
    ]
    all_pass = np.logical_and.reduce(passes)
    # A row that passes every threshold and is rejected all the same fell for something else: none brings it back.
    hopeless = all_pass & ~kept
    conflicts = int((kept & ~all_pass).sum())
    made = []
    for index, (measure, column) in enumerate(zip(measures, values, strict=True)):
        measured = ~np.isnan(column)
        if not measured.any():
            continue
        others = np.logical_and.reduce([mask for other, mask in enumerate(passes) if other != index] or [measured])
        edges = _edges(measure, column[measured], bounds[index])
        inside = np.clip(column, edges[0], edges[-1])
        made.append(
            Distribution(
                measure,
                *bounds[index],
                edges,
                np.histogram(inside[measured & kept], edges)[0],
                np.histogram(inside[measured & ~kept], edges)[0],
                int((~measured).sum()),
                np.clip(np.sort(column[measured & others & ~hopeless]), -1e30, 1e30),  # quantiles need finite values
                len(column),
                conflicts,
            )
        )
    return made


def _load(paths, columns: list[str], held: list[str]) -> tuple[list[np.ndarray], np.ndarray, dict[str, float]]:
    """Columns as float64 with NaN for null, whether each row was kept, the largest value of each held column."""
    parts: list[list[np.ndarray]] = [[] for _ in columns]
    kept, limits = [np.zeros(0, bool)], {}
    for table in batches(paths, [*columns, *held, "status"]):
        for part, name in zip(parts, columns, strict=True):
            part.append(table[name].to_numpy().astype(np.float64))
        for name in held:
            limit = table[name].to_numpy().astype(np.float64)
            limit = limit[~np.isnan(limit)]
            if len(limit):
                limits[name] = max(float(limit.max()), limits.get(name, -np.inf))
        kept.append(np.array(table["status"].to_pylist(), object) == KEPT)
    return [np.concatenate([np.zeros(0), *part]) for part in parts], np.concatenate(kept), limits


def _edges(measure: Measure, values: np.ndarray, bounds: tuple[float | None, float | None]) -> np.ndarray:
    if measure.span:
        return np.linspace(*measure.span, BINS + 1)
    limits = [value for value in bounds if value is not None]
    shown = np.array([*limits, *_ends(values)])
    if measure.log:
        limits, shown = np.log(np.maximum(limits, LOG_FLOOR)), np.log(np.maximum(shown, LOG_FLOOR))
    low, high = float(shown.min()), float(shown.max())
    step = (high - low) / (BINS - 1) or 1 / BINS
    # A threshold falls between two bars, never inside one.
    anchor = float(limits[0]) if len(limits) else low
    before = math.ceil((anchor - low) / step - 1e-9)
    edges = anchor + step * (np.arange(BINS + 1) - before)
    return np.exp(edges) if measure.log else edges


def _ends(values: np.ndarray) -> tuple[float, ...]:
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)


def flat(options: Mapping[str, Any]) -> dict[str, Any]:
    """Nested options as one level, by the innermost name; the later of two equal names wins."""
    found: dict[str, Any] = {}
    for name, value in options.items():
        found |= flat(value) if isinstance(value, Mapping) else {name: value}
    return found


def _footer_options(paths: Sequence[Path]) -> dict[str, Any]:
    options = (read_meta(path).get("options") for path in sorted(paths))
    return {name: value for found in options if isinstance(found, Mapping) for name, value in flat(found).items()}
