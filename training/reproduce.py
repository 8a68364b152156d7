"""Runs the experiments behind the paper's claims and says which of them come out.

    python -m training.reproduce --config reproduce.yaml
    python -m training.reproduce --config reproduce.yaml --only-report

The file holds the options of training/reproduction/options.py (YAML or JSON). Runs that ended are not repeated, others
go on from their checkpoints: after a kill, a Ctrl-C or the end of the time, the same command goes on. The results so
far are in `output` after each run: reproduction.md, reproduction.json and charts.

Exit status: 0 done, or out of time; 1 runs failed, or the options do not fit the data; 2 mistakes in the options; 3
asked to end (SIGTERM, SIGINT).
"""

import argparse
import sys
from pathlib import Path

from training.train import STOPPED


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, help="options of the reproduction (YAML or JSON)")
    parser.add_argument("--only-report", action="store_true", help="only write the report of the runs so far")
    given = parser.parse_args(arguments)
    from storage.options import InvalidOptions
    from training.reproduction.options import read_options

    try:
        options = read_options(given.config)
    except InvalidOptions as error:
        print(error, file=sys.stderr)
        return 2
    from training.loop.checks import check_options
    from training.loop.pipes import reporter
    from training.reproduction.files import write_report
    from training.reproduction.runner import Runner
    from training.reproduction.schedule import planned_runs

    try:
        runs = planned_runs(options)
        for run in runs:
            check_options(run.options)
    except (OSError, ValueError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    if given.only_report:
        print(write_report(options, runs))
        return 0
    with reporter(True) as report:

        def say(line: str) -> None:
            print(line, file=sys.stderr, flush=True)
            if report:
                report({"kind": "note", "line": line})

        runner = Runner(
            runs,
            at_once=options.at_once,
            minutes=options.minutes,
            grace_s=options.grace_s,
            say=say,
            ended=lambda: write_report(options, runs),
        )
        runner.run()
    print(write_report(options, runs))
    if runner.asked:
        print(f"Stopped: asked to end by signal {runner.asked}. The same command continues", file=sys.stderr)
        return STOPPED
    if runner.failed:
        print("RunsFailed: " + "; ".join(f"{label}: {why}" for label, why in runner.failed.items()), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
