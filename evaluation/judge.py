"""Judges the videos of runs.

    python -m evaluation.judge --config config.yaml

The file holds the options of evaluation/judging/options.py (YAML or JSON). A judging that was ended, whatever ended it,
goes on where it was; what has an answer is not asked again.
"""

import asyncio
import signal
import sys
from pathlib import Path

from evaluation.commands import Stopped, run_command
from evaluation.judging.judging import Judged, judging
from evaluation.judging.options import JudgeCommand


def run(options: JudgeCommand) -> dict[str, int]:
    """How many requests were made now, by the folder's name."""
    return {one.folder.name: one.asked for one in asyncio.run(_until_told(options))}


async def _until_told(options: JudgeCommand) -> list[Judged]:
    """Ends by cancellation at SIGTERM and SIGINT: an exception from a handler could be lost in an event loop."""
    folders = [Path(folder) for folder in options.runs]
    work = asyncio.ensure_future(judging(folders, options, tell=lambda line: print(line, file=sys.stderr, flush=True)))
    told: list[signal.Signals] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, lambda n=number: (told.append(n), work.cancel()))
    try:
        return await work
    except asyncio.CancelledError:
        raise Stopped(f"stopped by {told[0].name}; what has an answer is kept") from None


if __name__ == "__main__":
    sys.exit(run_command(__doc__, JudgeCommand, run))
