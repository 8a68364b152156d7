"""The steps of VBench, as a command calls them."""

import shlex
import sys

from evaluation.benchmarks.named_videos import read_run
from evaluation.benchmarks.vbench.options import VbenchOptions
from evaluation.benchmarks.vbench.outputs import commands, export_videos
from evaluation.benchmarks.vbench.table import table


def run_step(options: VbenchOptions) -> None:
    """Runs `options.step`. The commands, or the table, go to standard output; what is missing to standard error."""
    run, videos, results = read_run(options.run, options.seed), options.place / "videos", options.place / "results"
    if options.step == "export":
        made = export_videos(run, videos)
        for line in [f"{len(made)} videos in {videos}", *(f"missing: {one}" for one in run.missing)]:
            print(line, file=sys.stderr)
        for command in commands(videos.resolve(), results.resolve(), options.dimensions):
            print(shlex.join(command))
        return
    print(table(run, videos, results, options))
