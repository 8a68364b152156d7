"""The numbers that the paper and its project page publish, as data: what charts and tables are laid over.

Facts only, in published.json, each block with its source. Series carry the names of this project's training methods.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from stats.rates import Rate

FILE = Path(__file__).with_name("published.json")
PAPER_QUESTIONS = ("task", "agent", "consistency")  # what the paper's tables and its Figure 5 have
TRACED = ("average", "pickscore", *PAPER_QUESTIONS)  # what it has curves of


@dataclass(frozen=True)
class CountedRow:
    """A row of the paper's Table 4 from its counts: a rate by question, and the counts of its Avg column.

    How Avg was counted is not stated, and it is not always the mean of the three rates: `mean_of_rates` is.
    """

    key: str
    label: str
    rates: dict[str, Rate]
    average: Rate

    @property
    def mean_of_rates(self) -> float:
        """The average as this project defines it: the mean of the questions' shares over valid judgements."""
        return sum(rate.share for rate in self.rates.values()) / len(self.rates)


@cache
def published() -> dict[str, Any]:
    """The whole file: table1, table4, breakdown, distillation, rl, beta_d, dreamgen, each with `source`."""
    return json.loads(FILE.read_text(encoding="utf-8"))


def table1() -> tuple[dict[str, Any], ...]:
    """Rows of key, label, task, agent, consistency, average (shares) and e2e_s (seconds a video), as printed."""
    return tuple(published()["table1"]["rows"])


def table4() -> tuple[CountedRow, ...]:
    """Table 4 by its counts; what is not valid of the 200 samples failed."""
    samples = published()["samples"]

    def counted(cell: dict[str, Any]) -> Rate:
        return Rate(cell["successes"], cell["valid"], samples - cell["valid"])

    return tuple(
        CountedRow(
            row["key"],
            row["label"],
            {question: counted(row[question]) for question in PAPER_QUESTIONS},
            counted(row["average"]),
        )
        for row in published()["table4"]["rows"]
    )


def traces(question: str) -> dict[str, tuple[tuple[int, ...], tuple[float, ...]]]:
    """Training method -> (steps, values) of a published curve.

    `question`: "average" and "pickscore" come from the paper's Figure 4 (distillation without rewards); "task", "agent"
    and "consistency" from Figure 5 (with rewards). The two are different set-ups, so no mean is made of the latter.
    Raises ValueError for others.
    """
    if question in ("average", "pickscore"):
        block = published()["distillation"]
        return {name: (tuple(block["steps"]), tuple(one[question])) for name, one in block["series"].items()}
    if question in PAPER_QUESTIONS:
        series = published()["rl"]["series"]
        return {name: (tuple(one["steps"]), tuple(one[question])) for name, one in series.items()}
    raise ValueError(f"question {question!r} has no published curve: choose from {', '.join(TRACED)}")


def demonstrator(question: str) -> float:
    """The Demonstrator's line in the same figure as `traces(question)`."""
    block = "distillation" if question in ("average", "pickscore") else "rl"
    return published()[block]["demonstrator"][question]
