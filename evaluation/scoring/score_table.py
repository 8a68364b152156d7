"""The table that a training prints: models below each other, their scores by question."""

import math
from dataclasses import dataclass

from models.vlm.questions import label_of
from pages.markdown import escaped, one_line, table
from stats.rates import Rate
from stats.scores import Scores


@dataclass(frozen=True)
class ScoreTable:
    """Scores side by side. Raises ValueError when there is no row, or the rows' questions differ."""

    rows: tuple[Scores, ...]

    def __post_init__(self):
        questions = {tuple(row.rates) for row in self.rows}
        if len(questions) != 1:
            raise ValueError(
                f"{len(self.rows)} rows with questions {sorted(questions)}: give one row or more, all with one set"
            )

    def to_markdown(self) -> str:
        """A markdown table; names are escaped."""
        header, *rows = self._cells()
        return table(header, ([escaped(row[0]), *row[1:]] for row in rows))

    def to_text(self) -> str:
        """Columns aligned with spaces, for a terminal; control characters in names become spaces."""
        lines = [[one_line(line[0]), *line[1:]] for line in self._cells()]
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        return "\n".join(
            "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))])
            for line in lines
        )

    def _cells(self) -> list[list[str]]:
        questions = list(self.rows[0].rates)
        header = ["", *map(label_of, questions), "Mean", "Videos", "Judge failures"]
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


def _rate(rate: Rate) -> str:
    return f"{_share(rate.share, *rate.interval)} {rate.successes}/{rate.valid}"


def _share(share: float, low: float, high: float) -> str:
    return "none judged" if math.isnan(share) else f"{share:.3f} [{low:.3f}, {high:.3f}]"
