"""Rebuilds on a schedule: off until switched on in the UI, for the recipe named by WMSD_RECIPE."""

import dagster as dg

from assets.support.partitions import ALL_SHARDS
from pipelines.jobs import build_worldtasks
from pipelines.recipes import scheduled_recipe


@dg.schedule(
    job=build_worldtasks,
    cron_schedule="0 3 * * 1",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Builds all shards of the recipe in WMSD_RECIPE, Mondays at 03:00 UTC. Unchanged shards cost nothing.",
)
def rebuild_worldtasks_weekly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    return dg.RunRequest(run_config=scheduled_recipe(), tags=ALL_SHARDS)
