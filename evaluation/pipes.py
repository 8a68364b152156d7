"""What a command tells Dagster when Dagster started it; nothing otherwise."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Report = Callable[[Mapping[str, Any]], None]


@contextlib.contextmanager
def reporting() -> Iterator[Report]:
    """Yields a function that reports facts (JSON values by name) as the metadata of the asset that started us.

    When the run that started us has died, and its folder for messages with it, that is one line: work goes on.
    """
    from dagster_pipes import PipesEnvVarParamsLoader, open_dagster_pipes

    if not PipesEnvVarParamsLoader().is_dagster_pipes_process():
        yield lambda facts: None
        return
    context = open_dagster_pipes()

    def report(facts: Mapping[str, Any]) -> None:
        with _unheard():
            context.report_asset_materialization(metadata=dict(facts))

    try:
        yield report
    finally:
        with _unheard():
            context.close()


@contextlib.contextmanager
def _unheard() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        print(f"Dagster no longer listens to this program ({error})", file=sys.stderr)
