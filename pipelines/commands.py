"""What `build`, `train` and `evaluate` share: they check the recipe first, then run Dagster's command.

Jobs are resolved here by their names. Nothing that definitions.py imports may import this module.
"""

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
from pydantic import ValidationError

from assets.support.run_config import check_run_config, resolved
from models.vlm.api_key import check_key
from pipelines.definitions import defs
from pipelines.recipes import job_of, load_recipe

ROOT = Path(__file__).resolve().parent.parent
# Command (also of `make`) -> the jobs whose recipes it takes.
COMMANDS = {
    "build": ("build_worldtasks",),
    "train": ("train_wmsd", "reproduce", "train_persistworld", "finetune_world_model"),
    "evaluate": ("evaluate_worldtasks", "evaluate_dreamgen", "evaluate_vbvr"),
}


def recipe_parser(doc: str) -> argparse.ArgumentParser:
    """A parser that shows the command's own docstring and takes the recipe."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path, help="recipe: a Dagster run config in YAML")
    return parser


def read_recipe(recipe: Path, command: str) -> dict:
    """Changes to the repository's root and returns `checked`. For a wrong recipe it prints why and exits with 2."""
    os.chdir(ROOT)  # dagster.yaml is read from the working folder
    try:
        return checked(recipe, command)
    except (ValueError, ValidationError, dg.DagsterInvalidConfigError) as error:
        print(f"{recipe}: {error}", file=sys.stderr)
        sys.exit(2)


def checked(recipe: Path, command: str) -> dict:
    """The recipe's run config, values from the environment filled in.

    Raises ValueError, for a recipe of another command too, or Dagster's config error.
    """
    config = load_recipe(recipe)
    job = job_of(config)
    if job not in COMMANDS[command]:
        takes = next((name for name, jobs in COMMANDS.items() if job in jobs), None)
        run = f"make {takes} RECIPE={recipe}" if takes else f"dagster job execute -j {job} -c {recipe}"
        raise ValueError(f"this recipe is for the job {job}. Run: {run}")
    dg.validate_run_config(defs.resolve_job_def(job), config)
    check_run_config(config)
    whole = resolved(config)
    # Before there is a run: Dagster's history keeps its config, in which the key itself may stand instead of a name.
    vlm = ((whole.get("resources") or {}).get("vlm") or {}).get("config") or {}
    try:
        check_key(vlm.get("api_key_env") or "")
    except ValueError as error:
        raise ValueError(f"resources.vlm.config.{error}") from error
    return whole


def run_job(job: str, recipe: Path, tags: Mapping[str, str] | None = None) -> int:
    """Prints and runs the plain Dagster command; returns its exit status. It gets each request to end exactly once."""
    words = ["dagster", "job", "execute", "-m", "pipelines.definitions", "-j", job, "-c", str(recipe)]
    words += ["--tags", json.dumps(tags)] if tags else []
    print(f"Running: {shlex.join(words)}", flush=True)
    process = subprocess.Popen([str(Path(sys.executable).with_name(words[0])), *words[1:]])
    # Ctrl-C reaches both of us: the run hears it, lets its children save, and only then do we end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: process.send_signal(number))
    if process.wait() != 0:
        print("The run failed. The first error above says where and why.", file=sys.stderr)
    return process.returncode
