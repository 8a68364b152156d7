"""Reads the measured values of a stage and works out their distributions against the thresholds that were in force."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from curation.quality_metrics import DEFAULTS
from curation.report.measures import BINS, MEASURES, Distribution, Measure
from curation.report.scan import Tables, batches
from storage.tables import KEPT, read_meta

LOG_FLOOR = 0.1  # a logarithmic axis starts no lower: a flat picture has a Laplacian variance of 0


def distributions(tables: Tables, options: Mapping[str, Any]) -> list[Distribution]:
    """A Distribution for every measure whose stage has a table with at least one measured row.

    Thresholds come from the tables themselves (a column, or the options in the footer), else from `options`, else from
    the paper. Memory is some bytes a measured value of one stage.
    """
    found = []
    for stage in dict.fromkeys(measure.stage for measure in MEASURES):
        if tables.get(stage):
            found += _of_stage(stage, tables[stage], options)
    return found


def _of_stage(stage: str, paths: Sequence[Path], options: Mapping[str, Any]) -> list[Distribution]:
    measures = [measure for measure in MEASURES if measure.stage == stage]
    columns = [name for measure in measures for name in (measure.column, measure.low_column) if name]
    values, kept = _load(paths, columns)
    known = DEFAULTS | flat(options) | _footer_options(paths)
    lows = [
        _rows_own(values[measure.low_column]) if measure.low_column else _option(known, measure.low)
        for measure in measures
    ]
    highs = [_option(known, measure.high) for measure in measures]
    passes = [
        _passes(values[measure.column], low, high) for measure, low, high in zip(measures, lows, highs, strict=True)
    ]
    all_pass = np.logical_and.reduce(passes)
    # A row that passes every threshold and is rejected all the same fell for something else: none brings it back.
    hopeless = all_pass & ~kept
    made = []
    for index, (measure, low, high) in enumerate(zip(measures, lows, highs, strict=True)):
        column = values[measure.column]
        measured = ~np.isnan(column)
        if not measured.any():
            continue
        others = np.logical_and.reduce([measured, *(mask for other, mask in enumerate(passes) if other != index)])
        # Finite, for the sake of quantiles.
        eligible = np.clip(np.sort(column[others & ~hopeless]), -1e30, 1e30)
        own_cuts = None
        if isinstance(low, np.ndarray):
            low, own_cuts = _one_for_all(low[measured], eligible, int((others & ~hopeless & passes[index]).sum()))
        edges = _edges(measure, column[measured], (low, high))
        inside = np.clip(column, edges[0], edges[-1])
        stacks = [np.histogram(inside[measured & chosen], edges)[0] for chosen in (kept, ~kept)]
        conflicts = int((kept & ~all_pass).sum())
        unmeasured = int((~measured).sum())
        made.append(
            Distribution(measure, low, high, edges, *stacks, unmeasured, eligible, len(column), conflicts, own_cuts)
        )
    return made


def _load(paths: Sequence[Path], columns: list[str]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Columns as float64 with NaN for null, and whether each row was kept."""
    parts: dict[str, list[np.ndarray]] = {name: [np.zeros(0)] for name in columns}
    kept = [np.zeros(0, bool)]
    for table in batches(paths, [*columns, "status"]):
        for name, part in parts.items():
            part.append(table[name].to_numpy().astype(np.float64))
        kept.append(np.array(table["status"].to_pylist(), object) == KEPT)
    return {name: np.concatenate(part) for name, part in parts.items()}, np.concatenate(kept)


def _option(known: Mapping[str, Any], name: str) -> float | None:
    value = known.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _rows_own(limits: np.ndarray) -> np.ndarray:
    """A row without a threshold of its own has none to fail."""
    return np.where(np.isnan(limits), -np.inf, limits)


def _passes(column: np.ndarray, low: np.ndarray | float | None, high: float | None) -> np.ndarray:
    """bool [n]; a value that was not measured fails a threshold and passes where there is none."""
    passes = np.ones(len(column), bool)
    if low is not None:
        passes &= column >= low
    if high is not None:
        passes &= column <= high
    return passes


def _one_for_all(
    limits: np.ndarray, eligible: np.ndarray, keeps: int
) -> tuple[float | None, tuple[float, float] | None]:
    """(threshold, None) when every row has the same, else (the one that keeps as many, (least, greatest))."""
    finite = limits[np.isfinite(limits)]
    if not len(finite):
        return None, None
    least, greatest = float(finite.min()), float(finite.max())
    if least == greatest or not len(eligible):
        return greatest, None
    place = len(eligible) - keeps
    return float(eligible[place]) if place < len(eligible) else greatest, (least, greatest)


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
