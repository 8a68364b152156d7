"""Runs `train_wmsd`, or `reproduce`, for a recipe and prints what came out last.

    python -m pipelines.train recipes/microworld_training.yaml
    python -m pipelines.train recipes/ltx2.yaml
    python -m pipelines.train recipes/microworld_reproduce.yaml

It checks the recipe strictly, runs the plain Dagster command (which it prints), and ends with the scores on held-out
tasks (the base under T, the Demonstrator, the Executor under T), or with the claims and whether they hold.
"""

import argparse
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import dagster as dg
from pydantic import ValidationError

from assets.support.run_config import check_run_config, resolved
from pipelines.build import ROOT
from pipelines.recipes import job_of, load_recipe

# Job -> its op, the folder of its results below training/, and the file in it that is printed.
JOBS = {"train_wmsd": ("executor", "wmsd", "table.txt"), "reproduce": ("reproduction", "reproduction", "claims.txt")}


def checked(recipe: Path, jobs: Iterable[str] = tuple(JOBS)) -> dict:
    """The recipe's run config, values from the environment filled in. Raises ValueError, for a recipe of other jobs
    too, or Dagster's config error."""
    from pipelines.definitions import defs

    config = load_recipe(recipe)
    job = job_of(config)
    if job not in jobs:
        raise ValueError(f"this recipe is for {job}: make {command_of(job)} RECIPE={recipe}")
    dg.validate_run_config(defs.resolve_job_def(job), config)
    check_run_config(config)
    return resolved(config)


def command_of(job: str) -> str:
    """What `make` is told to run a recipe of this job."""
    return "train" if job in JOBS else "evaluate" if job.startswith("evaluate") else "build"


def run_job(job: str, recipe: Path, more: Sequence[str] = ()) -> int:
    """The exit status of the plain Dagster command, which is printed. What asks us to end reaches it once."""
    words = ["dagster", "job", "execute", "-m", "pipelines.definitions", "-j", job, "-c", str(recipe), *more]
    print(f"Running: {shlex.join(words)}", flush=True)
    process = subprocess.Popen([str(Path(sys.executable).with_name(words[0])), *words[1:]])
    # Ctrl-C reaches both of us: the run hears it, lets its children save, and only then do we end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: process.send_signal(number))
    if process.wait() != 0:
        print("The run failed: the first error above says where and why.", file=sys.stderr)
    return process.returncode


def output_of(config: dict) -> Path:
    """The folder of the run that `config` starts."""
    collection = config.get("resources", {}).get("collection", {}).get("config", {})
    folder = Path(collection.get("root", "data")).resolve() / collection.get("name", "microworld")
    op, usual, _ = JOBS[job_of(config)]
    return folder / "training" / (config["ops"][op]["config"].get("name") or usual)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path, help="run config in YAML")
    recipe = parser.parse_args().recipe
    os.chdir(ROOT)  # dagster.yaml is read from the working folder
    try:
        config = checked(recipe)
    except (ValueError, ValidationError, dg.DagsterInvalidConfigError) as error:
        print(f"{recipe}: {error}", file=sys.stderr)
        return 2
    status = run_job(job_of(config), recipe)
    if status != 0:
        return status
    output, job = output_of(config), job_of(config)
    made = {"train_wmsd": f"Executor: {output / 'final'}", "reproduce": f"Report: {output / 'reproduction.md'}"}[job]
    print(f"\n{made}\n\n{(output / JOBS[job][2]).read_text(encoding='utf-8')}")
    if job == "reproduce":
        print("Its charts are drawn in the evaluation's report the next time that is made: make evaluate")
    return 0


if __name__ == "__main__":
    sys.exit(main())
