"""Runs the training job of a recipe, `train_wmsd`, `reproduce` or a robot's, and prints what came out last.

    python -m pipelines.train recipes/microworld_training.yaml
    python -m pipelines.train recipes/ltx2.yaml
    python -m pipelines.train recipes/microworld_reproduce.yaml
    python -m pipelines.train recipes/robot_microworld.yaml

It checks the recipe strictly, runs the plain Dagster command (which it prints), and ends with the scores on held-out
tasks (the base under T, the Demonstrator, the Executor under T), with the claims and whether they hold, or with the
rollouts of a robot world model against its base's.
"""

import sys
from pathlib import Path

from pipelines.commands import read_recipe, recipe_parser, run_job
from pipelines.recipes import job_of, store_of

# Job -> its op, the folder of its results below training/, and the file in it that is printed.
RESULTS = {
    "train_wmsd": ("executor", "wmsd", "table.txt"),
    "reproduce": ("reproduction", "reproduction", "claims.txt"),
    "train_persistworld": ("world_model", "persistworld", "table.txt"),
    "finetune_world_model": ("finetuned_world_model", "teacher_forcing", "table.txt"),
}


def output_of(config: dict) -> Path:
    """The folder of the run that `config` starts."""
    op, usual, _ = RESULTS[job_of(config)]
    return store_of(config).training / (config["ops"][op]["config"].get("name") or usual)


def main() -> int:
    recipe = recipe_parser(__doc__).parse_args().recipe
    config = read_recipe(recipe, "train")
    output, job = output_of(config), job_of(config)
    status = run_job(job, recipe)
    if status != 0:
        return status
    made = {"train_wmsd": f"Executor: {output / 'final'}", "reproduce": f"Report: {output / 'reproduction.md'}"}.get(
        job, f"World model: {output / 'final'}"
    )
    print(f"\n{made}\n\n{(output / RESULTS[job][2]).read_text(encoding='utf-8')}")
    if job == "reproduce":
        print("The next evaluation report shows its charts: make evaluate")
    return 0


if __name__ == "__main__":
    sys.exit(main())
