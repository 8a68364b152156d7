"""Scoring and comparing judged runs, from files to scores.json.

    python tests/bench/bench_statistics.py [--quick]

Two shapes of 10,000 judgements: 21 runs of 159 tasks, the first compared with the 20 others, as after a training with
evaluations along the way; and one run of 3,334 tasks, with 20 comparisons between runs as large as that.
"""

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from machine import machine

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from evaluation.scoring.comparing import compare_runs  # noqa: E402
from evaluation.scoring.judged_run import load_run  # noqa: E402
from evaluation.scoring.run_scores import score  # noqa: E402
from stats import bootstrap  # noqa: E402
from tests.evaluation.run_folders import RunFolder  # noqa: E402


def folders(root: Path, runs: int, samples: int) -> list[Path]:
    made = []
    for number in range(runs):
        rng = np.random.default_rng(number)
        answers = rng.normal(0.02 * number, 1, (samples, 1, 3))
        answers[rng.random(answers.shape) < 0.01] = np.nan
        run = RunFolder(root / f"run{number}", answers)
        run.record = replace(run.record, step=10 * number)
        made.append(run.write())
    return made


def seconds(call, times: int) -> str:
    """Medians of fresh calls, wall and processor time: the bootstrap's draws are made anew in each."""
    taken = []
    for _ in range(times):
        bootstrap._kept.cache_clear()
        start = time.perf_counter(), time.process_time()
        call()
        taken.append((time.perf_counter() - start[0], time.process_time() - start[1]))
    return " | ".join(f"{statistics.median(column):.2f}" for column in zip(*taken, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the judgements, once")
    quick = parser.parse_args().quick
    share, times = (10, 1) if quick else (1, 3)
    print(f"{machine('numpy')}\n\n| what | seconds | of processor |\n|---|--:|--:|")
    for runs, samples, comparisons in ((21, 159 // share, 20), (2, 3334 // share, 20)):
        with tempfile.TemporaryDirectory() as root:
            made = folders(Path(root), runs, samples)
            many = made if runs > 2 else made[:1]
            count = len(many) * samples * 3
            taken = seconds(lambda many=many: [score(load_run(folder)) for folder in many], times)
            print(f"| score {count:,} judgements of {len(many)} runs with {samples} tasks | {taken} |")
            loaded = [load_run(folder) for folder in made]
            pairs = [(loaded[0], loaded[1 + n % (runs - 1)]) for n in range(comparisons)]
            taken = seconds(lambda pairs=pairs: [compare_runs(*pair) for pair in pairs], times)
            print(f"| {comparisons} comparisons of runs with {samples} tasks | {taken} |")


if __name__ == "__main__":
    main()
