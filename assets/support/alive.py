"""Frees the pool slots of runs whose process is gone.

A step in a pool holds a slot in Dagster's database. When its process is killed, only the daemon's run monitoring gives
the slot back, and a run from the command line has no daemon: the next run would wait for ever. So each run holds a file
lock while it lives, which the kernel releases however it ends, and the next run frees what dead ones left. This happens
when the run's resources are made, which is before any of its steps asks for a slot.
"""

import fcntl
from pathlib import Path
from typing import IO

import dagster as dg

from storage.files import exclusive, locked_now

_held: dict[Path, IO] = {}


def enter_run(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """Marks this run alive until its process ends, ends runs that died and frees their slots; returns their ids."""
    folder = Path(instance.storage_directory()) / "alive"
    # One at a time: nobody may take a newcomer's file, made and not yet locked, for that of a dead run.
    with exclusive(folder / "guard"):
        _mark_alive(folder / f"{run_id}.lock")
        return [path.stem for path in sorted(folder.glob("*.lock")) if path not in _held and _ended(instance, path)]


def _mark_alive(path: Path) -> None:
    if path not in _held:
        handle = path.open("a")
        fcntl.flock(handle, fcntl.LOCK_SH)
        _held[path] = handle


def _ended(instance: dg.DagsterInstance, path: Path) -> bool:
    """Frees the slots of the run of `path` when nobody holds it; whether that run had died."""
    with path.open("a") as handle:
        if not locked_now(handle):
            return False
        run = instance.get_run_by_id(path.stem)
        died = run is not None and not run.is_finished
        if died:
            # Not as failed: a daemon would start it again beside the run that is here in its place.
            instance.report_run_canceled(run, message="The process of this run has died.")
        instance.event_log_storage.free_concurrency_slots_for_run(path.stem)
        path.unlink()
        return died
