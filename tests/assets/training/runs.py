"""Runs of `train_wmsd` in a process of their own, which can be stopped and killed."""

import subprocess
import time
from pathlib import Path

RUNNER = """
import json, os, sys
import dagster as dg
from pipelines.definitions import defs
from dagster._utils.interrupts import capture_interrupts, setup_interrupt_handlers
setup_interrupt_handlers()
with dg.instance_for_test() as instance, capture_interrupts():
    defs.resolve_job_def("train_wmsd").execute_in_process(run_config=json.load(sys.stdin), instance=instance)
"""


def first_step(output: Path, process: subprocess.Popen) -> Path:
    """The metrics of the run in `output`, when it has made a step, or `process` has ended."""
    metrics, deadline = output / "metrics.jsonl", time.monotonic() + 400  # a limit for a hang, not for a busy machine
    while not (metrics.exists() and metrics.read_text()) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return metrics
