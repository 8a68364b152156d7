"""Runs `train_wmsd` for a recipe and prints the table of scores last.

    python -m pipelines.train recipes/microworld_training.yaml
    python -m pipelines.train recipes/ltx2.yaml

It checks the recipe strictly, runs the plain Dagster command (which it prints), and ends with the scores on held-out
tasks: the base under T, the Demonstrator, the Executor under T.
"""

import argparse
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import dagster as dg
from pydantic import ValidationError

from assets.run_config import check_run_config, resolved
from pipelines.build import ROOT
from pipelines.recipes import job_of, load_recipe

JOB = "train_wmsd"


def checked(recipe: Path) -> dict:
    """The recipe's run config, values from the environment filled in. Raises ValueError or Dagster's config error."""
    from pipelines.definitions import defs

    config = load_recipe(recipe)
    if job_of(config) != JOB:
        raise ValueError(f"this recipe is for {job_of(config)}: make build RECIPE={recipe}")
    dg.validate_run_config(defs.resolve_job_def(JOB), config)
    check_run_config(config)
    return resolved(config)


def output_of(config: dict) -> Path:
    """The folder of the run that `config` starts."""
    collection = config.get("resources", {}).get("collection", {}).get("config", {})
    folder = Path(collection.get("root", "data")).resolve() / collection.get("name", "microworld")
    return folder / "training" / (config["ops"]["executor"]["config"].get("name") or "wmsd")


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
    words = ["dagster", "job", "execute", "-m", "pipelines.definitions", "-j", JOB, "-c", str(recipe)]
    print(f"Running: {shlex.join(words)}", flush=True)
    process = subprocess.Popen([str(Path(sys.executable).with_name(words[0])), *words[1:]])
    # Ctrl-C reaches both of us: the run hears it, lets the trainer save, and only then do we end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: process.send_signal(number))
    if process.wait() != 0:
        print("The run failed: the first error above says where and why.", file=sys.stderr)
        return process.returncode
    output = output_of(config)
    print(f"\nExecutor: {output / 'final'}\n\n{(output / 'table.txt').read_text(encoding='utf-8')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
