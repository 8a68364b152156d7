"""Scores judged runs, and compares them with one of them.

    python -m evaluation.score --config FILE

Writes scores.json into each run's folder; with `output`, scores.md, and with `reference` comparisons.json beside it.
Exit status as in evaluation/commands.py; runs that cannot be compared, or are not whole, are failures (1) with reasons.
"""

import sys
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator

from evaluation.commands import run_command
from evaluation.records import SCORES
from evaluation.scoring.comparing import RunComparison, compare_runs
from evaluation.scoring.judged_run import load_run
from evaluation.scoring.markdown import comparisons_markdown, scores_markdown
from evaluation.scoring.run_scores import score
from evaluation.scoring.score_file import RunScores, Strict, write_model
from storage.files import write_bytes

COMPARISONS, TABLES = "comparisons.json", "scores.md"


class ScoreOptions(BaseModel):
    """Which runs, by which judge, against which of them. Unknown names are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    runs: tuple[str, ...] = Field(min_length=1, description="Folders of judged runs (evaluation/records.py).")
    judge: str = Field("", description="Whose judgements count, where a run has more than one judge's.")
    expected: int | None = Field(
        None, ge=1, description="Samples of the whole benchmark; a run over others is refused, unless it stands aside."
    )
    reference: str = Field(
        "", description="Folder among `runs` that the others are compared with; none: no comparison."
    )
    output: str = Field("", description="Folder for the comparisons and tables.")

    @model_validator(mode="after")
    def _fits(self) -> "ScoreOptions":
        if self.reference and (self.reference not in self.runs or not self.output):
            raise ValueError(f"reference {self.reference!r}: one of `runs` is expected, and `output` for what it gives")
        return self


class Comparisons(Strict):
    comparisons: tuple[RunComparison, ...]


def score_runs(options: ScoreOptions) -> tuple[list[RunScores], list[RunComparison]]:
    """Scores and compares as `options` say; raises what `load_run` and `compare_runs` raise."""
    runs = {name: load_run(Path(name), judge=options.judge, expected=options.expected) for name in options.runs}
    scores = []
    for number, (name, run) in enumerate(runs.items(), 1):
        scores.append(score(run))
        write_model(Path(name) / SCORES, scores[-1])
        print(f"scored {number} of {len(runs)} runs: {name}", file=sys.stderr, flush=True)
    others = [run for name, run in runs.items() if options.reference and name != options.reference]
    compared = [compare_runs(run, runs[options.reference]) for run in others]
    if options.output:
        text = scores_markdown(scores) + "\n"
        if options.reference:
            write_model(Path(options.output) / COMPARISONS, Comparisons(comparisons=tuple(compared)))
            text += f"\n{comparisons_markdown(compared)}\n"
        write_bytes(Path(options.output) / TABLES, text.encode())
    return scores, compared


if __name__ == "__main__":
    sys.exit(run_command(__doc__, ScoreOptions, score_runs))
