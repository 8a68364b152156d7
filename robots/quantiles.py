"""Quantiles of states that come in shards: what comes out depends on the rows alone, not on who read them or when.

Up to EXACT_ROWS rows every value is kept and quantiles are numpy's. Above it values are rounded to 13 significant bits
(an error of at most 0.0123 % of the value) and counted: memory is bounded by the number of different rounded values.
As a value's rounding does not depend on the others, shards join in any order to the same bytes.
"""

import io
import zipfile
from collections.abc import Iterable

import numpy as np

from robots.statistics import Statistics

EXACT_ROWS = 200_000
PENDING_ROWS = 65_536
BITS = 12  # kept of the mantissa, beside its leading 1
TINY = 1e-6  # values nearer to 0 are counted as 0


class StreamingQuantiles:
    """Sorted different values of each column, with their counts."""

    def __init__(self, columns: Iterable[str], robot: str = "", exact_rows: int = EXACT_ROWS) -> None:
        self.columns, self.robot, self.exact_rows = tuple(columns), robot, exact_rows
        self.rows = 0
        self.values = [np.zeros(0) for _ in self.columns]
        self.counts = [np.zeros(0, np.int64) for _ in self.columns]
        self.not_finite = np.zeros(len(self.columns), np.int64)
        self.pending: list[np.ndarray] = []

    def add(self, states: np.ndarray) -> None:
        """Rows [N, D]. Raises ValueError for another number of columns."""
        states = np.array(states, np.float64)
        if states.ndim != 2 or states.shape[1] != len(self.columns):
            raise ValueError(f"states have sizes {list(states.shape)}: [rows, {len(self.columns)}] is expected")
        self.rows += len(states)
        self.pending.append(states)
        if sum(map(len, self.pending)) > PENDING_ROWS:
            self._settle()

    def join(self, other: "StreamingQuantiles") -> None:
        """Adds what another shard counted. Raises ValueError: it is of another robot, or counts otherwise."""
        for name in ("robot", "columns", "exact_rows"):
            if getattr(self, name) != getattr(other, name):
                raise ValueError(f"{name} of two shards differ: {getattr(self, name)!r} and {getattr(other, name)!r}")
        self._settle()
        other._settle()
        self.rows += other.rows
        self.not_finite += other.not_finite
        for place in range(len(self.columns)):
            self._count(place, other.values[place], other.counts[place])

    def _settle(self) -> None:
        if not self.pending:
            return
        states = np.concatenate(self.pending)
        self.pending = []
        for place, column in enumerate(states.T):
            finite = column[np.isfinite(column)]
            self.not_finite[place] += len(column) - len(finite)
            self._count(place, finite, np.ones(len(finite), np.int64))

    def _count(self, place: int, values: np.ndarray, counts: np.ndarray) -> None:
        values = np.concatenate([self.values[place], values]) + 0.0  # -0.0 becomes 0.0
        counts = np.concatenate([self.counts[place], counts])
        if self.rows > self.exact_rows:
            values = rounded(values)
        self.values[place], found = np.unique(values, return_inverse=True)
        self.counts[place] = np.bincount(found, counts, len(self.values[place])).astype(np.int64)

    def statistics(self) -> Statistics:
        """Of all rows so far. Raises ValueError where a column has no finite value."""
        self._settle()
        if empty := [name for name, values in zip(self.columns, self.values, strict=True) if not len(values)]:
            raise ValueError(f"{', '.join(empty)} has no finite value in {self.rows} rows: there are no quantiles")
        both = [counted_quantiles(v, c, (0.01, 0.99)) for v, c in zip(self.values, self.counts, strict=True)]
        q01, q99 = np.array(both).T
        return Statistics(
            q01=q01,
            q99=q99,
            count=self.rows,
            robot=self.robot,
            columns=self.columns,
            minimum=np.array([values[0] for values in self.values]),
            maximum=np.array([values[-1] for values in self.values]),
            not_finite=self.not_finite.copy(),
            exact=self.rows <= self.exact_rows,
        )

    def to_bytes(self) -> bytes:
        """For a shard's file: an npz, the same bytes for the same rows in any order."""
        self._settle()
        arrays: dict[str, np.ndarray] = {
            "columns": np.array(self.columns),
            "robot": np.array(self.robot),
            "rows": np.array([self.rows, self.exact_rows]),
            "not_finite": self.not_finite,
        }
        for place in range(len(self.columns)):
            arrays |= {f"values_{place}": self.values[place], f"counts_{place}": self.counts[place]}
        handle = io.BytesIO()
        np.savez_compressed(handle, **arrays)
        return handle.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "StreamingQuantiles":
        """Raises ValueError for what `to_bytes` did not write."""
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                rows, exact_rows = map(int, arrays["rows"])
                one = cls(map(str, arrays["columns"]), str(arrays["robot"]), exact_rows)
                one.rows, one.not_finite = rows, arrays["not_finite"]
                one.values = [arrays[f"values_{place}"] for place in range(len(one.columns))]
                one.counts = [arrays[f"counts_{place}"] for place in range(len(one.columns))]
        except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"no counted states: {error}") from error
        return one


def rounded(values: np.ndarray) -> np.ndarray:
    """To 1 + BITS significant bits, to the nearest; what is nearer to 0 than TINY becomes 0. Idempotent."""
    parts, exponents = np.frexp(values)
    scale = 2.0 ** (BITS + 1)
    return np.where(np.abs(values) < TINY, 0.0, np.ldexp(np.round(parts * scale) / scale, exponents)) + 0.0


def counted_quantiles(values: np.ndarray, counts: np.ndarray, shares: tuple[float, ...]) -> list[float]:
    """numpy's (linear) quantiles of sorted values that occur `counts` times each."""
    ends = np.cumsum(counts)
    found = []
    for share in shares:
        place = share * (int(ends[-1]) - 1)
        low, high = (
            values[np.searchsorted(ends, int(side), side="right")] for side in (np.floor(place), np.ceil(place))
        )
        found.append(float(low + (high - low) * (place - np.floor(place))))
    return found
