"""A command of evaluation/ as the child of an asset."""

import json
from collections.abc import Sequence
from typing import Any

import dagster as dg

from assets.support.program import run_program
from storage.collection import Store
from storage.files import sha256_bytes


def run_command(
    context: dg.AssetExecutionContext,
    store: Store,
    module: str,
    options: dict[str, Any],
    names: Sequence[str],
    grace_s: float,
) -> dict[str, Any]:
    """Runs `python -m module --config FILE` and returns what it reported. Raises dagster.Failure with its error.

    One child at a time works on the same runs (`names`) by the same command; what differs gets files of its own.
    """
    digest = sha256_bytes(json.dumps([module, sorted(names)]).encode())[:12]
    place = store.evaluation / "jobs" / f"{module.rsplit('.', 1)[-1]}-{digest}"
    config, log, lock = (place.with_name(place.name + ending) for ending in (".yaml", ".log", ".lock"))
    context.log.info(", ".join(names))
    reported = run_program(context, module, options, config=config, log=log, lock=lock, grace_s=grace_s)
    return {name: value.value for name, value in reported.items()}
