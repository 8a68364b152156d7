"""What a page says, in short: summary.json beside it, for those who show it elsewhere. Nothing is computed anew."""

from collections.abc import Sequence
from pathlib import Path

from evaluation.report.curves import Curves
from evaluation.report.leaderboard import Pair
from evaluation.report.reading import Evaluated
from evaluation.scoring.markdown import comparisons_markdown, curves_markdown, scores_markdown
from evaluation.scoring.score_file import Strict, read_model, write_model
from pages.charts import Lines

SUMMARY = "summary.json"


class Summary(Strict):
    """Tables as markdown, "" where there is nothing to show.

    `table` is of all runs with scores, points of curves among them; `not_scored` says by name why others have none.
    `comparisons` are those of the page, `not_compared` pairs that it refuses. `curves` is a table of points, `charts`
    what they draw, `no_curves` why a training makes none.
    """

    table: str
    not_scored: dict[str, str]
    comparisons: str
    not_compared: tuple[str, ...]
    curves: str
    charts: tuple[Lines, ...]
    no_curves: tuple[str, ...]


def write_summary(out: Path, runs: Sequence[Evaluated], pairs: Sequence[Pair], curves: Curves) -> None:
    """Writes the summary of the page in the folder `out`."""
    scored = [one.scores for one in runs if one.scores]
    compared = [pair.found for pair in pairs if pair.found]
    refused = [
        f"{pair.ours.name!r} and {pair.theirs.name!r}: {'; '.join(pair.refused)}" for pair in pairs if pair.refused
    ]
    summary = Summary(
        table=scores_markdown(scored) if scored else "",
        not_scored={one.name: one.problem for one in runs if one.problem},
        comparisons=comparisons_markdown(compared) if compared else "",
        not_compared=tuple(refused),
        curves=curves_markdown(curves.points) if curves.points else "",
        charts=curves.charts,
        no_curves=tuple(f"{name}: {why}" for name, why in curves.refused),
    )
    write_model(out / SUMMARY, summary)


def read_summary(out: Path) -> Summary:
    """The summary of the page in the folder `out`. Raises FileNotFoundError, and ValueError naming the file."""
    return read_model(out / SUMMARY, Summary, "the summary of a page")
