"""The measured values of the frame stages, and what other thresholds would keep."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from curation.quality_metrics import METRICS, Metric
from pages.charts import Histogram, Limit

BINS = 40
QUANTILES = 513  # about 4 KB of page each, and a sharper answer than a slider of 300 pixels can ask for


@dataclass(frozen=True)
class Measure:
    """A column and where its thresholds are found: `low` and `high` name options, `low_column` a column that holds each
    row's own lower threshold.

    A row passes when `low` <= value <= `high`. `tries` are the thresholds of the printed table: fractions for "kept"
    (the share to keep), else values.
    """

    stage: str
    column: str
    title: str
    explains: str
    low: str = ""
    high: str = ""
    low_column: str = ""
    span: tuple[float, float] | None = None
    log: bool = False
    low_tries: tuple[float, ...] = ()
    high_tries: tuple[float, ...] = ()
    tries_are_shares: bool = False


def of_metric(metric: Metric) -> Measure:
    """A number of the low-level filter, with its limits."""
    low, high = metric.low, metric.high
    return Measure(
        "quality",
        metric.column,
        metric.title,
        metric.explains,
        low=low.option if low else "",
        high=high.option if high else "",
        span=metric.span,
        log=metric.log,
        low_tries=low.tries if low else (),
        high_tries=high.tries if high else (),
    )


MEASURES = (
    # Those with limits first.
    *map(of_metric, sorted(METRICS, key=lambda metric: not metric.limits)),
    Measure("aesthetics", "aesthetic", "Aesthetic score", "The scorer's own scale; higher is better."),
    Measure(
        "aesthetics", "score", "Combined quality score", "Aesthetic rank, sharpness and exposure together; 0 to 1.",
        low_column="cut_score", span=(0, 1), low_tries=(1.0, 0.95, 0.9, 0.8, 0.7, 0.5), tries_are_shares=True,
    ),
    Measure(
        "screening", "log_odds", "Screening: log-odds of yes",
        "log p(yes) - log p(no), natural logarithm. Above 0 the model says yes.",
        low_column="threshold", low_tries=(-4, -2, -1, 0, 1, 2, 4),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Distribution:
    """One measure over all rows of its stage.

    `kept` and `rejected` are row counts per bin between `edges` (BINS + 1 values). `eligible` are the sorted values of
    the rows whose fate hangs on this measure alone: every other threshold of the stage passes them. `conflicts` counts
    rows that the table keeps although a threshold fails them, so that a reader learns it. `own_cuts` is the least and
    greatest lower threshold when shards have their own; `low` is then the one for all that would keep as many rows.
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
    own_cuts: tuple[float, float] | None = None

    @property
    def chart(self) -> Histogram:
        limits = (
            Limit(value, side=side) for side, value in (("low", self.low), ("high", self.high)) if value is not None
        )
        title = f"Histogram of {self.measure.column} over {self.rows} rows, kept and rejected"
        parts = (("kept", self.kept), ("rejected", self.rejected))
        return Histogram(title, self.edges, parts, tuple(limits), log=self.measure.log)

    def keeps(self, low: float | None, high: float | None) -> int:
        """Rows that the stage would keep with these thresholds on this measure and all others as they are."""
        first = 0 if low is None else int(np.searchsorted(self.eligible, low, "left"))
        last = len(self.eligible) if high is None else int(np.searchsorted(self.eligible, high, "right"))
        return max(0, last - first)

    def quantiles(self) -> list[float]:
        """All eligible values when few, else QUANTILES evenly spaced ones: what the page's script counts with."""
        if len(self.eligible) <= QUANTILES:
            return self.eligible.tolist()  # unrounded: a threshold that is one of them must still keep it
        return [float(f"{value:.7g}") for value in np.quantile(self.eligible, np.linspace(0, 1, QUANTILES))]

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
