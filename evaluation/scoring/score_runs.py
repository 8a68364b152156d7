"""Runs scored, and compared with one of them: scores.json in each run's folder, comparisons and tables elsewhere."""

import sys
from pathlib import Path

from evaluation.records import SCORES
from evaluation.scoring.comparing import RunComparison, compare_runs
from evaluation.scoring.judged_run import load_run
from evaluation.scoring.markdown import comparisons_markdown, scores_markdown
from evaluation.scoring.options import ScoreOptions
from evaluation.scoring.run_scores import score
from evaluation.scoring.score_file import RunScores, Strict, write_model
from storage.files import write_bytes

COMPARISONS, TABLES = "comparisons.json", "scores.md"


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
