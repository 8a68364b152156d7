"""A program of the project as the child of an asset: told by a file, the same command that a person would type."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from assets.support.child import run_child
from storage.files import write_bytes


def run_program(
    context: dg.AssetExecutionContext,
    module: str,
    options: Mapping[str, Any],
    *,
    config: Path,
    log: Path,
    lock: Path,
    grace_s: float,
) -> dict[str, dg.MetadataValue]:
    """Writes `options` (JSON values) to `config` and runs `python -m module --config FILE`; as `run_child`."""
    command = [sys.executable, "-m", module, "--config", str(config)]
    context.log.info(shlex.join(command))

    def prepare() -> None:
        write_bytes(config, yaml.safe_dump(dict(options), sort_keys=False, allow_unicode=True).encode())

    return run_child(context, command, log=log, lock=lock, grace_s=grace_s, prepare=prepare)
