"""Jobs, by the names people type."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from assets.support.partitions import ALL_SHARDS
from pipelines.recipes import RECIPES, load_recipe

# Tags of the Dagster runs of all jobs; a job adds its own below.
TAGS: dict[str, str] = {}


def job(
    name: str,
    selection: dg.AssetSelection,
    description: str,
    config: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
):
    """A job over `selection`; `config` is the recipe that it runs when it is given none."""
    tags = TAGS | dict(tags or {})
    return dg.define_asset_job(name, selection=selection, config=config, description=description, tags=tags)


def ablations_recipe(recipe: dict) -> dict:
    """A training recipe as run config of `train_ablations`: the Executor's block for the ablations."""
    ops = {name: block for name, block in recipe["ops"].items() if name != "executor"}
    return recipe | {"ops": ops | {"executor_ablations": recipe["ops"]["executor"]}}


def robot_recipe(recipe: dict, stage: str, episodes: bool = True) -> dict:
    """The recipe of train_persistworld as run config of another job: the world model's block for its `stage`."""
    ops = dict(recipe["ops"]) if episodes else {}
    ops = {name: block for name, block in ops.items() if name != "world_model"}
    return recipe | {"ops": ops | {stage: recipe["ops"]["world_model"]}}


TRAINING_RECIPE = load_recipe(RECIPES / "microworld_training.yaml")

build_worldtasks = job(
    "build_worldtasks",
    dg.AssetSelection.groups("curation", "release"),
    "Builds a published WorldTasks dataset and its report from video files. It is partitioned by shard: run it for one "
    "shard, or for all with `make build RECIPE=recipes/NAME.yaml`. Without a recipe it builds the microworld.",
    load_recipe(RECIPES / "microworld.yaml"),
    tags={"dagster/max_retries": "1"},
)

train_wmsd = job(
    "train_wmsd",
    dg.AssetSelection.assets("training_data", "conditions", "executor"),
    "Trains an Executor on a published dataset by World Model Self-Distillation. Scores it on held-out tasks before "
    "and after. Without a recipe it trains the microworld's model, and builds its dataset if there is none. A "
    "cancelled run saves first. The next run continues from there.",
    TRAINING_RECIPE,
)

train_ablations = job(
    "train_ablations",
    dg.AssetSelection.assets("training_data", "conditions", "executor_ablations"),
    "Trains the Executor by the paper's other methods, one for each partition. Choose partitions in the UI, or add "
    '--tags \'{"dagster/partition": "rl_only"}\'. The options are those of the executor\'s block in the recipe.',
    ablations_recipe(TRAINING_RECIPE),
)

reproduce = job(
    "reproduce",
    dg.AssetSelection.assets("training_data", "conditions", "reproduction"),
    "Tests the paper's claims on the microworld: many training runs on the same held-out tasks, and a report of which "
    "claims hold, with charts over the paper's curves. It takes at most 90 minutes on two cores. Started again after a "
    "cancelled run or a time limit, it continues.",
    load_recipe(RECIPES / "microworld_reproduce.yaml"),
)

build_microworld = job(
    "build_microworld",
    dg.AssetSelection.assets("microworld_model"),
    "Trains the microworld's base model from scratch. Its checkpoint ships with the project: run this only to make it "
    "again, or to make another one in a folder of your own (`out`).",
)

build_robot_microworld = job(
    "build_robot_microworld",
    dg.AssetSelection.assets("robot_microworld_model"),
    "Trains the robot microworld's base model from scratch. Its checkpoint ships with the project, and gains are "
    "measured against it: run this only to make another one in a folder of your own (`out`).",
)

evaluate_worldtasks = job(
    "evaluate_worldtasks",
    dg.AssetSelection.assets("generated_videos", "judgements", "scores", "report"),
    "Evaluates base, Demonstrator, Executor and +VLM on a benchmark: videos, a judge's answers, scores with intervals, "
    "one report. It is partitioned by the runs of the recipe: `make evaluate RECIPE=recipes/NAME.yaml` takes all. "
    "Finished work is not repeated. Without a recipe it evaluates the microworld's Executor.",
    load_recipe(RECIPES / "microworld_evaluation.yaml"),
)

evaluate_dreamgen = job(
    "evaluate_dreamgen",
    dg.AssetSelection.assets("generated_videos", "dreamgen_scores"),
    "Evaluates runs on DreamGen Bench: videos with its own names, our judge's answers to its questions, its CSV files, "
    "and the table object / behavior / environment. Download the data set first: docs/benchmarks.md has a recipe.",
)

evaluate_vbvr = job(
    "evaluate_vbvr",
    dg.AssetSelection.assets("vbvr_queries", "generated_videos", "vbvr_scores"),
    "Evaluates runs on VBVR-Bench: queries shortened on request, videos with its own names, its official evaluator. "
    "Install the data set and the evaluator first: docs/benchmarks.md has a recipe.",
)

encode_episodes = job(
    "encode_episodes",
    dg.AssetSelection.assets("episodes", "episode_statistics", "episode_latents"),
    "Reads a robot's episodes, holds them against its action contract, and encodes every view once: what robot world "
    "models are trained on. It takes all shards: for single ones materialize the assets. Where no source is named it "
    "makes the robot microworld's episodes.",
    tags=ALL_SHARDS,
)

ROBOT_RECIPE = load_recipe(RECIPES / "robot_microworld.yaml")
EPISODES = ("episodes", "episode_statistics", "episode_latents")

train_persistworld = job(
    "train_persistworld",
    dg.AssetSelection.assets(*EPISODES, "world_model"),
    "Post-trains a robot world model on its own closed-loop rollouts (PersistWorld), and compares it with its base on "
    "held-out episodes. Without a recipe it trains the robot microworld's model, which ships with the project. A "
    "cancelled run saves first. The next run continues from there.",
    robot_recipe(ROBOT_RECIPE, "world_model"),
    tags=ALL_SHARDS,
)

finetune_world_model = job(
    "finetune_world_model",
    dg.AssetSelection.assets(*EPISODES, "finetuned_world_model"),
    "Fine-tunes a robot world model by teacher forcing: on another robot, other cameras, another table. Post-train the "
    "result by train_persistworld.",
    robot_recipe(ROBOT_RECIPE, "finetuned_world_model"),
    tags=ALL_SHARDS,
)

train_world_model_baselines = job(
    "train_world_model_baselines",
    dg.AssetSelection.assets("world_model_baselines"),
    "Trains what PersistWorld is to be compared with, one method for each partition, at equal denoiser evaluations. "
    'Run train_persistworld first. Choose partitions in the UI, or add --tags \'{"dagster/partition": '
    '"noisy_history"}\'.',
    robot_recipe(ROBOT_RECIPE, "world_model_baselines", episodes=False),
)

JOBS = [
    build_worldtasks,
    train_wmsd,
    train_ablations,
    reproduce,
    build_microworld,
    build_robot_microworld,
    evaluate_worldtasks,
    evaluate_dreamgen,
    evaluate_vbvr,
    encode_episodes,
    train_persistworld,
    finetune_world_model,
    train_world_model_baselines,
]
