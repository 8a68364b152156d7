"""The code location: every asset, check, job, schedule and sensor of the project."""

from datetime import timedelta

import dagster as dg

from assets.aesthetics.asset import aesthetics
from assets.benchmarks import checks as benchmark_checks
from assets.benchmarks.dreamgen import dreamgen_scores
from assets.benchmarks.generated_videos import generated_videos
from assets.benchmarks.judgements import judgements
from assets.benchmarks.report import report
from assets.benchmarks.scores import scores
from assets.benchmarks.vbvr import vbvr_queries, vbvr_scores
from assets.clips.asset import clips
from assets.conditions.asset import conditions
from assets.conditions.data_asset import training_data
from assets.executor.asset import executor, executor_ablations
from assets.executor.microworld_model import microworld_model
from assets.executor.reproduction import reproduction
from assets.frames.asset import frames
from assets.quality.asset import quality
from assets.report.asset import curation_report
from assets.screening.asset import screening
from assets.tasks.asset import tasks
from assets.tasks.taxonomy_asset import taxonomy
from assets.worldtasks import checks
from assets.worldtasks.asset import worldtasks
from assets.worldtasks.publish_asset import published_dataset
from pipelines.jobs import (
    build_microworld,
    build_worldtasks,
    evaluate_dreamgen,
    evaluate_vbvr,
    evaluate_worldtasks,
    reproduce,
    train_ablations,
    train_wmsd,
)
from pipelines.resources import RESOURCES
from pipelines.schedules import rebuild_worldtasks_weekly
from pipelines.sensors import new_checkpoints, new_clips, new_executors

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
    generated_videos,
    judgements,
    scores,
    report,
    dreamgen_scores,
    vbvr_queries,
    vbvr_scores,
]


def with_deadline(spec: dg.AssetSpec) -> dg.AssetSpec:
    """Releases are rebuilt weekly: one that is older shows as stale in the UI."""
    return dg.apply_freshness_policy(spec, RELEASE_DEADLINE) if spec.group_name == "release" else spec


defs = dg.Definitions(
    assets=dg.map_asset_specs(with_deadline, ASSETS),
    asset_checks=dg.load_asset_checks_from_modules([checks, benchmark_checks]),
    jobs=[
        build_worldtasks,
        train_wmsd,
        train_ablations,
        reproduce,
        build_microworld,
        evaluate_worldtasks,
        evaluate_dreamgen,
        evaluate_vbvr,
    ],
    schedules=[rebuild_worldtasks_weekly],
    sensors=[new_checkpoints, new_clips, new_executors],
    resources=RESOURCES,
    # Stages are parallel inside (files, requests); a process for each step and check would only add seconds of imports.
    executor=dg.in_process_executor,
)
