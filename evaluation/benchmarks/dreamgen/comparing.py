"""Two runs on DreamGen Bench before the same judge, video by video: what one solves and the other does not."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from evaluation.records import Judgement
from evaluation.scoring.judged_run import Incomplete
from stats.paired import Comparison, compare

Answers = Mapping[tuple[str, str], Judgement]  # (sample id, question) -> judgement


@dataclass(frozen=True)
class Paired:
    """`run` against `first` on the column `column` over all videos of the table that were judged for both."""

    run: str
    first: str
    column: str
    found: Comparison

    def to_json(self) -> dict:
        found = asdict(self.found)
        del found["samples"]  # as many as pairs: one video a task
        return {"run": self.run, "first": self.first, "column": self.column} | found


def paired(run: str, first: str, columns: Mapping[str, str], members: Sequence[str], ours: Answers, theirs: Answers):
    """A Paired for each question of `columns` (question -> column) that both were asked about `members`.

    Raises ValueError where the two come of different judges or prompts, Incomplete where nothing was asked of both.
    """
    made = []
    for question, column in columns.items():
        both = [one for one in members if (one, question) in ours and (one, question) in theirs]
        if not both:
            continue
        asked = [
            {(some[one, question].judge, some[one, question].prompt_hash) for one in both} for some in (ours, theirs)
        ]
        if asked[0] != asked[1]:
            raise ValueError(f"{run} was judged on {column} by {asked[0]}, {first} by {asked[1]}: not comparable")
        values = [np.array([_value(some[one, question]) for one in both]) for some in (ours, theirs)]
        if not np.isnan(values[0] + values[1]).all():
            made.append(Paired(run, first, column, compare(*values)))
    if not made:
        raise Incomplete(f"{run} and {first}: no video was judged for both on the same question")
    return made


def _value(one: Judgement) -> float:
    if one.yes is None:
        return np.nan
    return 1.0 if one.yes else -1.0
