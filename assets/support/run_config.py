"""Wrong values in a run config stop the run at its start, not hours later in the stage that reads them."""

import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from pydantic import ValidationError

from assets.support.config_blocks import first_problem

# What Dagster's own check of a run config lacks: the ranges and rules of each asset's options.
OPTIONS = {
    "clips": "assets.curation.clips.ClipsConfig",
    "frames": "assets.curation.frames.FramesConfig",
    "quality": "assets.curation.quality.QualityConfig",
    "aesthetics": "assets.curation.aesthetics.AestheticsConfig",
    "screening": "assets.curation.screening.ScreeningConfig",
    "tasks": "assets.curation.tasks.TasksConfig",
    "taxonomy": "assets.curation.taxonomy.TaxonomyConfig",
    "worldtasks": "assets.release.worldtasks.WorldtasksConfig",
    "published_dataset": "assets.release.published_dataset.PublishConfig",
    "training_data": "assets.training.training_data.TrainingDataConfig",
    "conditions": "assets.training.conditions.ConditionsConfig",
    "executor": "assets.support.training_options.ExecutorConfig",
    "executor_ablations": "assets.support.training_options.ExecutorConfig",
    "reproduction": "assets.support.reproduction_options.ReproductionConfig",
    "microworld_model": "assets.training.microworld_model.MicroworldModelConfig",
    "robot_microworld_model": "assets.training.robot_microworld_model.RobotMicroworldModelConfig",
    "episodes": "assets.robots.episodes.EpisodesConfig",
    "episode_statistics": "assets.robots.episode_statistics.EpisodeStatisticsConfig",
    "episode_latents": "assets.robots.episode_latents.EpisodeLatentsConfig",
    "world_model": "assets.support.world_model_run.WorldModelConfig",
    "finetuned_world_model": "assets.support.world_model_run.WorldModelConfig",
    "world_model_baselines": "assets.support.world_model_run.WorldModelConfig",
    "generated_videos": "assets.support.evaluation.options.GeneratedVideosConfig",
    "judgements": "assets.support.evaluation.options.JudgementsConfig",
    "scores": "assets.support.evaluation.options.ScoresConfig",
    "report": "assets.support.evaluation.options.ReportConfig",
    "dreamgen_scores": "assets.support.evaluation.options.DreamgenScoresConfig",
    "vbvr_queries": "assets.support.evaluation.options.VbvrQueriesConfig",
    "vbvr_scores": "assets.support.evaluation.options.VbvrScoresConfig",
}


class WrongRunConfig(ValueError):
    """The run config holds a value that its stage would refuse."""


# Stages that train a robot world model -> their method; the baselines' is their partition.
WORLD_MODELS = {
    "world_model": "persistworld",
    "finetuned_world_model": "teacher_forcing",
    "world_model_baselines": None,
}
PARTITION = "dagster/partition"  # the tag of a run for one partition


def check_run_config(run_config: Mapping[str, Any], partition: str | None = None) -> dict[str, Any]:
    """The options of each stage that has some, all checked. `partition` is the run's, which names an ablation's method.

    Raises WrongRunConfig with the place, the value and the rule for the first option out of its range, and for blocks
    that do not fit each other.
    """
    ops = resolved(run_config.get("ops") or {}, "ops")
    checked = {}
    for stage, block in ops.items():
        if stage not in OPTIONS:
            continue  # a stage without options
        module, name = OPTIONS[stage].rsplit(".", 1)
        try:
            checked[stage] = getattr(import_module(module), name)(**block.get("config", {}))
        except ValidationError as error:
            raise WrongRunConfig(first_problem(error, "ops", stage, "config")) from error
    for stage in checked.keys() & {"executor", "executor_ablations", "reproduction"}:
        from assets.support.reproduction_options import check_reproduction
        from assets.support.training_options import check_launch

        try:
            if stage == "reproduction":
                check_reproduction(checked[stage], checked.get("conditions"))
            else:
                check_launch(checked[stage], "wmsd" if stage == "executor" else partition, checked.get("conditions"))
        except ValueError as error:
            raise WrongRunConfig(f"ops.{stage}.config: {error}") from error
    for stage in checked.keys() & WORLD_MODELS.keys():
        from assets.support.world_model_run import check_world_model

        try:
            check_world_model(checked[stage], WORLD_MODELS[stage] or partition, checked.get("episode_latents"))
        except ValueError as error:
            raise WrongRunConfig(f"ops.{stage}.config: {error}") from error
    if "generated_videos" in checked:
        from assets.support.evaluation.launch import check_evaluation

        try:
            check_evaluation(checked, partition)
        except ValueError as error:
            raise WrongRunConfig(f"ops.{error}") from error
    return checked


def resolved(value: Any, *place: str) -> Any:
    """`value` with each `{env: NAME}` replaced by that environment variable. Raises WrongRunConfig for one not set."""
    if isinstance(value, Mapping):
        if set(value) == {"env"} and isinstance(value["env"], str):
            if value["env"] not in os.environ:
                raise WrongRunConfig(f"{'.'.join(place)}: the environment variable {value['env']} is not set")
            return os.environ[value["env"]]
        return {key: resolved(item, *place, str(key)) for key, item in value.items()}
    return [resolved(item, *place) for item in value] if isinstance(value, list) else value
