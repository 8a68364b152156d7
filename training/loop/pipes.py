"""What a run tells Dagster, when Dagster started it: progress and notes as they come, a materialization at the end."""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

from training.loop.log import Report


@contextlib.contextmanager
def reporter(first: bool) -> Iterator[Report | None]:
    """The `report` of training.loop.log.RunLog; None when Dagster did not start this process, or it is not the `first`.

    A progress or note message becomes a log line in the run's events and a custom message, finished the asset's
    materialization. When the run's process has died, and its folder for messages with it, reporting ends silently but
    for one line: the trainer must live to save.
    """
    from dagster_pipes import PipesEnvVarParamsLoader, open_dagster_pipes

    if not first or not PipesEnvVarParamsLoader().is_dagster_pipes_process():
        yield None
        return
    listening = True

    def report(message: dict[str, Any]) -> None:
        nonlocal listening
        if not listening:
            return
        try:
            if message["kind"] == "finished":
                context.report_asset_materialization(metadata=message["metadata"])
            else:
                context.log.info(message["line"])
                context.report_custom_message(message)
        except OSError as error:
            listening = False
            print(f"Dagster no longer listens to this program ({error})", file=sys.stderr)

    with contextlib.ExitStack() as stack:
        context = open_dagster_pipes()
        stack.push(lambda *raised: _close(context, *raised))
        yield report


def _close(context, *raised) -> bool:
    with contextlib.suppress(OSError):
        context.__exit__(*raised)
    return False
