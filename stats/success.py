"""Scores of judged videos: success shares with intervals, and the table that a run prints.

A video succeeds on a question when its log-odds are above 0. A failed judgement (NaN) leaves the denominator, as in the
paper's Table 4, and is counted beside it. Rates, comparisons and tests are those of evaluation/statistics/.
"""

import html
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stats.bootstrap import percentiles, resampled_means, vary
from stats.paired import Comparison, by_sample, compare, sign_test
from stats.rates import Rate, interval, mean_interval, rate

__all__ = [
    "Comparison",
    "Rate",
    "ScoreTable",
    "Scores",
    "compare",
    "escaped",
    "interval",
    "rate",
    "score",
    "sign_test",
]


@dataclass(frozen=True)
class Scores:
    """What one model scored: a rate by question, and the mean of the rates with its 95 % interval."""

    name: str
    videos: int
    rates: dict[str, Rate]
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class ScoreTable:
    """Scores side by side. Raises ValueError when there is no row, or the rows' questions differ."""

    rows: tuple[Scores, ...]

    def __post_init__(self):
        questions = {tuple(row.rates) for row in self.rows}
        if len(questions) != 1:
            raise ValueError(
                f"{len(self.rows)} rows with questions {sorted(questions)}: at least one row, all alike, is expected"
            )

    def to_markdown(self) -> str:
        """A markdown table; names are escaped."""
        header, *rows = self._cells()
        lines = [header, ["---"] + ["--:"] * (len(header) - 1), *([escaped(row[0]), *row[1:]] for row in rows)]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def to_text(self) -> str:
        """Columns aligned with spaces, for a terminal; control characters in names become spaces."""
        lines = [[" ".join(_printable(line[0]).split()), *line[1:]] for line in self._cells()]
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        return "\n".join(
            "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))])
            for line in lines
        )

    def _cells(self) -> list[list[str]]:
        questions = list(self.rows[0].rates)
        header = ["", *(question.capitalize() for question in questions), "Mean", "Videos", "Judge failures"]
        return [
            header,
            *(
                [
                    row.name,
                    *(_rate(row.rates[question]) for question in questions),
                    _share(row.mean, row.low, row.high),
                    str(row.videos),
                    str(sum(rate.failed for rate in row.rates.values())),
                ]
                for row in self.rows
            ),
        ]


def score(name: str, log_odds: Mapping[str, np.ndarray], seed: int = 0) -> Scores:
    """The scores of videos from log-odds float [N] or [N, seeds] by question, NaN where a judgement failed.

    The mean is that of the questions' shares; its interval resamples the N tasks (percentiles of 10,000 bootstrap
    means, the same for the same seed), or, where all tasks are alike, is the mean of the shares' Wilson limits. Raises
    ValueError when the questions have different numbers of videos or there is none.
    """
    tables = {question: by_sample(values) for question, values in log_odds.items()}
    sizes = {question: table.size for question, table in tables.items()}
    if len({table.shape for table in tables.values()}) != 1 or 0 in sizes.values():
        raise ValueError(f"{name}: judgements by question {sizes}: the same number, at least 1, is expected for each")
    table = np.stack(list(tables.values()), axis=-1)
    rates = {question: rate(values) for question, values in tables.items()}
    mean = float(np.mean([one.share for one in rates.values()]))
    counts = (~np.isnan(table)).sum(axis=1)
    means = resampled_means((table > 0).sum(axis=1), counts, seed).mean(axis=1)
    if math.isnan(mean) or vary(means):
        limits = percentiles(means)
    else:
        tasks = (counts > 0).sum(axis=0).tolist()
        limits = np.mean([mean_interval(one.share, n) for one, n in zip(rates.values(), tasks, strict=True)], axis=0)
    return Scores(name, table[..., 0].size, rates, mean, *map(float, limits))


def _rate(rate: Rate) -> str:
    return f"{_share(rate.share, *rate.interval)} {rate.successes}/{rate.valid}"


def _share(share: float, low: float, high: float) -> str:
    return "none judged" if math.isnan(share) else f"{share:.3f} [{low:.3f}, {high:.3f}]"


def _printable(name: str) -> str:
    return "".join(character if character.isprintable() else " " for character in name)


def escaped(name: str) -> str:
    """Untrusted text as one line of a markdown cell: no markup, no HTML, no control characters."""
    text = html.escape(" ".join(_printable(name).split()), quote=False)
    return "".join("\\" + character if character in "\\|`*_[]#~" else character for character in text)
