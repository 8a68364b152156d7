"""Frees the pool slots of runs whose process is gone.

A step in a pool holds a slot in Dagster's database. When its process is killed, only the daemon's run monitoring gives
the slot back, and a run from the command line has no daemon: the next run would wait for ever. So each run holds a file
lock while it lives, which the kernel releases however it ends, and the next run frees what dead ones left.
"""

import fcntl
from pathlib import Path
from typing import IO

import dagster as dg

_held: dict[Path, IO] = {}


def _folder(instance: dg.DagsterInstance) -> Path:
    return Path(instance.storage_directory()) / "alive"


def mark_alive(instance: dg.DagsterInstance, run_id: str) -> None:
    """Holds a lock on the run's file until this process ends. Steps of one run may hold it together."""
    path = _folder(instance) / f"{run_id}.lock"
    if path not in _held:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.open("a")
        fcntl.flock(handle, fcntl.LOCK_SH)
        _held[path] = handle


def free_slots_of_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Ends runs that were marked alive and whose lock nobody holds, frees their slots, and returns their ids."""
    dead = []
    for path in sorted(_folder(instance).glob("*.lock")):
        if path in _held:
            continue
        with path.open("a") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            run = instance.get_run_by_id(path.stem)
            if run is not None and not run.is_finished:
                instance.report_run_canceled(run, message="The process of this run is gone.")
                dead.append(path.stem)
            instance.event_log_storage.free_concurrency_slots_for_run(path.stem)
            path.unlink()
    return dead
