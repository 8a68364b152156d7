"""Stand-ins for a trainer: programs of a few lines that speak Dagster Pipes, and an asset that starts them."""

import sys
from pathlib import Path

import dagster as dg

from assets.support.child import run_child

REPORTS = """
from dagster_pipes import open_dagster_pipes
with open_dagster_pipes() as pipes:
    print("step 1 of 1", flush=True)
    pipes.report_asset_materialization(metadata={"reward": 0.5, "curve": {"raw_value": "# up", "type": "md"}})
"""

# Saves on SIGTERM, a while later, as a trainer that first ends its step; its worker must live on until then.
SAVES = """
import os, pathlib, signal, subprocess, sys, time
folder = pathlib.Path(os.environ["FOLDER"])
asked = []
signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
(folder / "started").write_text(f"{os.getpid()} {worker.pid}")
while not asked:
    time.sleep(0.02)
time.sleep(0.7)
(folder / "saved").write_text(f"worker alive: {worker.poll() is None}")
worker.kill()
sys.exit(3)
"""

STUBBORN = """
import os, pathlib, signal, subprocess, sys, time
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
pathlib.Path(os.environ["FOLDER"], "started").write_text(f"{os.getpid()} {worker.pid}")
time.sleep(600)
"""

PROGRAMS = {"reports": REPORTS, "saves": SAVES, "stubborn": STUBBORN}


def started(
    context: dg.AssetExecutionContext, program: str, folder: Path, grace_s: float = 20.0, **given
) -> dg.MaterializeResult:
    """Runs the source text `program` as the child of an asset."""
    reported = run_child(
        context,
        [sys.executable, "-c", program],
        log=folder / "train.log",
        lock=folder / ".lock",
        grace_s=grace_s,
        env={"FOLDER": str(folder)},
        **given,
    )
    return dg.MaterializeResult(metadata=reported)


def main() -> None:
    """children.py PROGRAM FOLDER GRACE: a run of the asset in this process, as the command line makes one."""
    from dagster._utils.interrupts import capture_interrupts, setup_interrupt_handlers

    from assets.support.alive import enter_run

    name, folder, grace_s = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
    pools = {"concurrency": {"pools": {"default_limit": 1, "granularity": "op"}}}
    setup_interrupt_handlers()

    class Alive(dg.ConfigurableResource):
        """Frees what dead runs hold, as assets.support.resources.CollectionResource does."""

        def setup_for_execution(self, context: dg.InitResourceContext) -> None:
            print("freed:", enter_run(context.instance, context.run.run_id), flush=True)

    @dg.asset(pool="gpu")
    def trained(context: dg.AssetExecutionContext, alive: Alive) -> dg.MaterializeResult:
        return started(context, PROGRAMS[name], folder, grace_s)

    defs = dg.Definitions(assets=[trained], resources={"alive": Alive()}, executor=dg.in_process_executor)
    (folder / "instance").mkdir(exist_ok=True)
    with dg.instance_for_test(overrides=pools, temp_dir=str(folder / "instance")) as instance, capture_interrupts():
        defs.get_implicit_global_asset_job_def().execute_in_process(instance=instance, raise_on_error=True)


if __name__ == "__main__":
    main()
