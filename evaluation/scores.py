"""Scores of judged videos: success shares with intervals, paired comparisons, and the table that a run prints.

A video succeeds on a question when its log-odds are above 0. A failed judgement (NaN) leaves the denominator, as in the
paper's Table 4, and is counted beside it.
"""

import html
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

Z95 = 1.959963984540054  # two-sided 95 % of the normal distribution
RESAMPLES = 10_000


@dataclass(frozen=True)
class Rate:
    """A success share: `successes` of `valid` judgements, and how many `failed` beside them."""

    successes: int
    valid: int
    failed: int = 0

    @property
    def share(self) -> float:
        """Successes over valid judgements, NaN where there is none."""
        return self.successes / self.valid if self.valid else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        return interval(self.successes, self.valid)


@dataclass(frozen=True)
class Comparison:
    """Two models on the same videos' tasks, over `pairs` judged for both.

    `better` and `worse` count the pairs in which only the first or only the second succeeded. `gain` is the difference
    of shares, (low, high) its 95 % paired bootstrap interval, `p_value` the exact two-sided McNemar (sign) test.
    """

    pairs: int
    better: int
    worse: int
    gain: float
    low: float
    high: float
    p_value: float


@dataclass(frozen=True)
class Scores:
    """What one model scored: a rate by question, and the mean of the rates with its 95 % bootstrap interval."""

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
        lines = [header, ["---"] + ["--:"] * (len(header) - 1), *([_escaped(row[0]), *row[1:]] for row in rows)]
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


def interval(successes: int, n: int) -> tuple[float, float]:
    """The 95 % Wilson score interval of a share (Wilson 1927), within 0..1; (0, 1) when n is 0.

    Raises ValueError unless 0 <= successes <= n.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}: 0 <= successes <= n is expected")
    if n == 0:
        return 0.0, 1.0
    share, z2 = successes / n, Z95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return (0.0 if successes == 0 else centre - half), (1.0 if successes == n else centre + half)


def rate(log_odds: np.ndarray) -> Rate:
    """Of log-odds float [N], NaN where a judgement failed."""
    values = np.asarray(log_odds, np.float64)
    failed = int(np.isnan(values).sum())
    return Rate(int((values > 0).sum()), len(values) - failed, failed)


def score(name: str, log_odds: Mapping[str, np.ndarray], seed: int = 0) -> Scores:
    """The scores of N videos from log-odds float [N] by question, NaN where a judgement failed.

    The mean is that of the questions' shares; its interval resamples videos (percentiles of 10,000 bootstrap means, the
    same for the same seed). Raises ValueError when the questions have different numbers of videos or there is none.
    """
    lengths = {question: len(values) for question, values in log_odds.items()}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise ValueError(f"{name}: judgements by question {lengths}: the same number, at least 1, is expected for each")
    table = np.stack([np.asarray(values, np.float64) for values in log_odds.values()])
    rates = {question: rate(values) for question, values in log_odds.items()}
    shares = [one.share for one in rates.values()]
    return Scores(name, table.shape[1], rates, float(np.mean(shares)), *_bootstrap_mean(table, seed))


def compare(ours: np.ndarray, theirs: np.ndarray, seed: int = 0) -> Comparison:
    """Two models' answers to one question about the same tasks and seeds: log-odds float [N] each, NaN where failed.

    Raises ValueError for different lengths, or when no pair is judged for both.
    """
    first, second = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"log-odds of shapes {first.shape} and {second.shape}: one length [N] is expected")
    both = ~(np.isnan(first) | np.isnan(second))
    pairs = int(both.sum())
    if not pairs:
        raise ValueError(f"none of {len(first)} pairs is judged for both: there is nothing to compare")
    won, lost = (first > 0) & (second <= 0) & both, (first <= 0) & (second > 0) & both
    better, worse = int(won.sum()), int(lost.sum())
    # Drawing pairs with replacement only decides how many of each of the three kinds are drawn.
    drawn = np.random.default_rng(seed).multinomial(
        pairs, np.array([better, worse, pairs - better - worse]) / pairs, RESAMPLES
    )
    low, high = np.percentile((drawn[:, 0] - drawn[:, 1]) / pairs, [2.5, 97.5])
    gain = (better - worse) / pairs
    return Comparison(pairs, better, worse, gain, float(low), float(high), sign_test(better, worse))


def describe(question: str, ours: str, theirs: str, result: Comparison) -> str:
    """One line that says how two models compare on a question."""
    return (
        f"{question}: {ours} - {theirs} = {result.gain:+.3f} [{result.low:+.3f}, {result.high:+.3f}] over "
        f"{result.pairs} pairs ({result.better} won, {result.worse} lost, p = {result.p_value:.2g})"
    )


def sign_test(better: int, worse: int) -> float:
    """The exact two-sided p-value that `better` and `worse` come from a fair coin (McNemar's exact test)."""
    flips = better + worse
    tail = sum(math.comb(flips, k) for k in range(min(better, worse) + 1))
    return min(1.0, 2 * tail / 2**flips)


def _bootstrap_mean(table: np.ndarray, seed: int) -> tuple[float, float]:
    """The 95 % interval of the mean over questions of success shares, table [questions, N] of log-odds, over videos."""
    valid, won = ~np.isnan(table), table > 0
    # A resample is how often each video is drawn; blocks bound the memory.
    rng, count = np.random.default_rng(seed), table.shape[1]
    means = []
    for size in [1000] * (RESAMPLES // 1000):
        drawn = rng.multinomial(count, np.full(count, 1 / count), size).astype(np.float64)
        total = drawn @ valid.T
        with np.errstate(invalid="ignore", divide="ignore"):
            means.append(np.where(total > 0, drawn @ won.T / total, np.nan).mean(axis=1))
    known = np.concatenate(means)
    known = known[~np.isnan(known)]
    if not len(known):
        return math.nan, math.nan
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)


def _rate(rate: Rate) -> str:
    return f"{_share(rate.share, *rate.interval)} {rate.successes}/{rate.valid}"


def _share(share: float, low: float, high: float) -> str:
    return "none judged" if math.isnan(share) else f"{share:.3f} [{low:.3f}, {high:.3f}]"


def _printable(name: str) -> str:
    return "".join(character if character.isprintable() else " " for character in name)


def _escaped(name: str) -> str:
    text = html.escape(" ".join(_printable(name).split()), quote=False)
    return "".join("\\" + character if character in "\\|`*_[]#~" else character for character in text)
