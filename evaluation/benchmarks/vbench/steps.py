"""The steps of VBench, as a command calls them."""

import shlex
import sys

from evaluation.benchmarks.named_videos import read_run
from evaluation.benchmarks.vbench.options import VbenchOptions
from evaluation.benchmarks.vbench.outputs import (
    I2V,
    RESULTS,
    VIDEOS,
    commands,
    export_pairs,
    export_videos,
    i2v_command,
)
from evaluation.benchmarks.vbench.table import table


def run_step(options: VbenchOptions) -> None:
    """Runs `options.step`. The commands, or the table, go to standard output; what is missing to standard error."""
    run, place = read_run(options.run, options.seed), options.place
    if options.step == "table":
        print(table(run, options))
        return
    videos, found, said = place / VIDEOS, [], []
    if options.plain:
        said.append(f"{len(export_videos(run, videos))} videos in {videos}")
        found += commands(videos.resolve(), (place / RESULTS).resolve(), options.plain)
    if options.i2v and options.benchmark is not None:
        made = export_pairs(run, options.benchmark, place / I2V)
        said.append(f"{len(made)} videos with their pictures in {place / I2V}")
        found.append(i2v_command((place / I2V).resolve(), options.i2v))
    for line in [*said, *(f"missing: {one}" for one in run.missing)]:
        print(line, file=sys.stderr)
    for command in found:
        print(shlex.join(command))
