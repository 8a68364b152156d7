"""A rebuild when clips arrive: off until switched on in the UI, for the recipe named by WMSD_RECIPE."""

import json
from pathlib import Path

import dagster as dg

from assets.clips.folder import list_videos
from assets.shards import ALL_SHARDS
from pipelines.jobs import build_worldtasks
from pipelines.recipes import scheduled_recipe
from storage.files import sha256_bytes, sha256_file


def listing_hash(recipe: dict) -> str | None:
    """A hash of the recipe and of the names, sizes and times of the source's files; None when it is no folder."""
    source = recipe.get("ops", {}).get("clips", {}).get("config", {}).get("source", {})
    settings = source.get("folder") or source.get("miradata")
    if not settings:
        return None
    found = [recipe, list_videos(Path(settings["folder"]))]
    if "csv" in settings:
        found.append(sha256_file(Path(settings["csv"])))
    return sha256_bytes(repr(found).encode("utf-8", "surrogateescape"))


@dg.sensor(
    job=build_worldtasks,
    minimum_interval_seconds=120,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Runs all shards when the source folder changed and then was still for one tick (copying is over).",
)
def new_clips(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    recipe = scheduled_recipe()
    found = listing_hash(recipe)
    if found is None:
        return dg.SkipReason("the recipe's source is not a folder: nothing can arrive")
    cursor = json.loads(context.cursor) if context.cursor else {}
    if found == cursor.get("built"):
        return dg.SkipReason("no change in the source folder")
    if found != cursor.get("seen"):
        moved = json.dumps(cursor | {"seen": found})
        return dg.SensorResult(skip_reason="the source folder changed: waiting until it is still", cursor=moved)
    # No run key: a folder may come back to an earlier state, and the cursor already knows what was built last.
    request = dg.RunRequest(run_config=recipe, tags=ALL_SHARDS)
    return dg.SensorResult(run_requests=[request], cursor=json.dumps({"seen": found, "built": found}))
