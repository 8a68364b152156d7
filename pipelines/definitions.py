"""The code location: every asset, check, job, schedule and sensor of the project."""

from datetime import timedelta

import dagster as dg

from assets.curation.aesthetics import aesthetics
from assets.curation.clips import clips
from assets.curation.frames import frames
from assets.curation.quality import quality
from assets.curation.screening import screening
from assets.curation.tasks import tasks
from assets.curation.taxonomy import taxonomy
from assets.evaluation import checks as benchmark_checks
from assets.evaluation.dreamgen_scores import dreamgen_scores
from assets.evaluation.generated_videos import generated_videos
from assets.evaluation.judgements import judgements
from assets.evaluation.report import report
from assets.evaluation.scores import scores
from assets.evaluation.vbvr_queries import vbvr_queries
from assets.evaluation.vbvr_scores import vbvr_scores
from assets.release import checks
from assets.release.curation_report import curation_report
from assets.release.published_dataset import published_dataset
from assets.release.worldtasks import worldtasks
from assets.robots import checks as episode_checks
from assets.robots.episode_latents import episode_latents
from assets.robots.episode_statistics import episode_statistics
from assets.robots.episodes import episodes
from assets.robots.finetuned_world_model import finetuned_world_model
from assets.robots.world_model import world_model
from assets.robots.world_model_baselines import world_model_baselines
from assets.training.conditions import conditions
from assets.training.executor import executor
from assets.training.executor_ablations import executor_ablations
from assets.training.microworld_model import microworld_model
from assets.training.reproduction import reproduction
from assets.training.robot_microworld_model import robot_microworld_model
from assets.training.training_data import training_data
from pipelines.jobs import JOBS
from pipelines.resources import resources
from pipelines.schedules import rebuild_worldtasks_weekly
from pipelines.sensors import new_checkpoints, new_clips, new_episodes, new_executors

RELEASE_DEADLINE = dg.FreshnessPolicy.time_window(fail_window=timedelta(days=8), warn_window=timedelta(days=7))

ASSETS = [
    clips,
    frames,
    quality,
    aesthetics,
    screening,
    tasks,
    taxonomy,
    worldtasks,
    published_dataset,
    curation_report,
    training_data,
    conditions,
    executor,
    executor_ablations,
    reproduction,
    microworld_model,
    robot_microworld_model,
    generated_videos,
    judgements,
    scores,
    report,
    dreamgen_scores,
    vbvr_queries,
    vbvr_scores,
    episodes,
    episode_statistics,
    episode_latents,
    world_model,
    finetuned_world_model,
    world_model_baselines,
]


def with_deadline(spec: dg.AssetSpec) -> dg.AssetSpec:
    """Releases are rebuilt weekly: one that is older shows as stale in the UI."""
    return dg.apply_freshness_policy(spec, RELEASE_DEADLINE) if spec.group_name == "release" else spec


defs = dg.Definitions(
    assets=dg.map_asset_specs(with_deadline, ASSETS),
    asset_checks=dg.load_asset_checks_from_modules([checks, benchmark_checks, episode_checks]),
    jobs=JOBS,
    schedules=[rebuild_worldtasks_weekly],
    sensors=[new_checkpoints, new_clips, new_episodes, new_executors],
    resources=resources(lambda name: defs.resolve_job_def(name)),
    # Stages are parallel inside (files, requests); a process for each step and check would only add seconds of imports.
    executor=dg.in_process_executor,
)
