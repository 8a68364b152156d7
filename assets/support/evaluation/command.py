"""A command of evaluation/ as the child of an asset: told by a file, the same command that a person would type."""

import json
import shlex
import sys
from collections.abc import Sequence
from typing import Any

import dagster as dg
import yaml

from assets.support.child import run_child
from storage.collection import Store
from storage.files import sha256_bytes, write_bytes


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
    command = [sys.executable, "-m", module, "--config", str(config)]
    context.log.info(f"{', '.join(names)}: {shlex.join(command)}")

    def prepare() -> None:
        write_bytes(config, yaml.safe_dump(options, sort_keys=False, allow_unicode=True).encode())

    reported = run_child(context, command, log=log, lock=lock, grace_s=grace_s, prepare=prepare)
    return {name: value.value for name, value in reported.items()}
