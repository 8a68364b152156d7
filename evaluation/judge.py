"""Judges the videos of runs.

    python -m evaluation.judge --config config.yaml

The file holds the options of evaluation/judging/options.py (YAML or JSON). A judging that was ended, whatever ended it,
goes on where it was; what has an answer is not asked again.
"""

import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from evaluation.commands import Stopped, run_command
from evaluation.judging.judge_runs import Judged, Run, judging, opened
from evaluation.judging.options import JudgeCommand


def run(options: JudgeCommand) -> dict[str, int]:
    """How many requests were made now, by the folder's name."""
    with opened([Path(folder) for folder in options.runs], _tell) as runs:
        return {one.folder.name: one.asked for one in asyncio.run(_until_told(runs, options))}


async def _until_told(runs: Sequence[Run], options: JudgeCommand) -> list[Judged]:
    """Ends by cancellation at SIGTERM and SIGINT: an exception from a handler could be lost in an event loop."""
    work = asyncio.ensure_future(judging(runs, options, tell=_tell))
    told: list[signal.Signals] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, lambda n=number: (told.append(n), work.cancel()))
    try:
        return await work
    except asyncio.CancelledError:
        raise Stopped(f"stopped by {told[0].name}. Answers so far are kept") from None


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(run_command(__doc__, JudgeCommand, run))
