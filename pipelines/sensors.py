"""A run when clips or episodes arrive, an evaluation when an Executor is trained, or while it is.

All are off until switched on.
Their recipes are named by WMSD_RECIPE, WMSD_EPISODES_RECIPE and WMSD_EVALUATION_RECIPE. What failed is asked for again:
see attempts.py.
"""

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import dagster as dg

from assets.support.evaluation.curves import points
from assets.support.evaluation.options import GeneratedVideosConfig
from assets.support.evaluation.partitions import EVALUATION_RUNS
from assets.support.partitions import ALL_SHARDS
from assets.support.run_config import resolved
from curation.clips.folder import list_videos
from pipelines.attempts import attempts, tags
from pipelines.jobs import build_worldtasks, encode_episodes, evaluate_worldtasks
from pipelines.partition_tags import stretches, tags_of
from pipelines.recipes import episodes_recipe, evaluation_recipe, scheduled_recipe, store_of
from robots.listing import folder_hash
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
    description="Builds all shards after files in the source folder changed and then stayed unchanged for one tick. "
    "Repeats a failed build after 5 minutes, 10, 20 and so on, 6 hours at most.",
)
def new_clips(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    recipe = scheduled_recipe()
    found = listing_hash(recipe)
    if found is None:
        return dg.SkipReason("the recipe's source is not a folder, so there are no new clips to wait for")
    return when_still(context, "new_clips", recipe, found)


@dg.sensor(
    job=encode_episodes,
    minimum_interval_seconds=120,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Reads and encodes a robot's episodes after files in their folder changed and then stayed "
    "unchanged for one tick: only new ones are encoded. Its recipe is named by WMSD_EPISODES_RECIPE. Repeats a failed "
    "run after 5 minutes, 10, 20 and so on, 6 hours at most.",
)
def new_episodes(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    recipe = episodes_recipe()
    source = resolved(recipe).get("ops", {}).get("episodes", {}).get("config", {}).get("source") or {}
    folder = Path(source.get("path") or "").expanduser()
    if not source.get("path") or not folder.is_dir():
        return dg.SkipReason("the recipe's episodes are not in a folder here, so there are no new ones to wait for")
    return when_still(context, "new_episodes", recipe, sha256_bytes(repr([recipe, folder_hash(folder)]).encode()))


def when_still(
    context: dg.SensorEvaluationContext, sensor: str, recipe: dict, found: str
) -> dg.SensorResult | dg.SkipReason:
    """A run of all shards once `found`, a hash of the recipe and its source's files, is new and the same twice."""
    cursor = json.loads(context.cursor) if context.cursor else {}
    if found == cursor.get("built"):
        last = attempts(context.instance, sensor, {"source": found}).get("source")
        if last is None or not last.due:
            told = f": {last.said}" if last is not None else ""
            return dg.SkipReason(f"nothing has changed in the source folder{told}")
        context.log.warning(f"nothing has changed in the source folder: {last.said}")
        return dg.SensorResult(run_requests=[_build(sensor, recipe, found, last.key(found))])
    if found != cursor.get("seen"):
        moved = json.dumps(cursor | {"seen": found})
        return dg.SensorResult(skip_reason="the source folder has changed: waiting until copying ends", cursor=moved)
    built = json.dumps({"seen": found, "built": found})
    return dg.SensorResult(run_requests=[_build(sensor, recipe, found)], cursor=built)


def _build(sensor: str, recipe: dict, found: str, key: str | None = None) -> dg.RunRequest:
    # At first without a key: a folder may come back to an earlier state, and the cursor knows what was asked for last.
    return dg.RunRequest(run_key=key, run_config=recipe, tags=ALL_SHARDS | tags(sensor, {"source": found}))


def block_of(recipe: dict) -> dict:
    """What a recipe evaluates: its block of `generated_videos`."""
    return recipe["ops"]["generated_videos"]["config"]


def of_executor(recipe: dict, training: str, version: str) -> tuple[dict, list[str]]:
    """(`recipe` changed for the new Executor of the training `training`, names of the runs that use its LoRAs).

    Rows and curves of this training get the Executor's `version` in their names, so that earlier Executors stay in the
    list. Rows and curves of other trainings stay as they are. If the recipe does not name this training: no names.
    """
    made, told = copy.deepcopy(recipe), block_of(resolved(recipe))
    names, curves = [], set()
    for run, known in zip(block_of(made)["runs"], told["runs"], strict=True):
        if known.get("training") == training:
            run |= {"name": f"{known['name'][:50]}-{version[:8]}", "executor": version}
            names.append(run["name"])
    for curve, known in zip(block_of(made).get("curves", []), told.get("curves", []), strict=True):
        if known["training"] == training:
            curve["name"] = f"{known['name'][:40]}-{version[:8]}"
            curves.add(curve["name"])
    now = resolved(made)
    found = points(store_of(now), GeneratedVideosConfig(**block_of(now)))
    return made, names + [name for name, (curve, _, _) in found.items() if curve.name in curves]


def request(recipe: dict, names: Sequence[str], key: str, asked: Mapping[str, str]) -> dg.RunRequest:
    """One Dagster run for the partitions `names`, which are side by side, so that a model is loaded once.

    `asked`: tags that say who asks for what (pipelines.attempts.tags).
    """
    return dg.RunRequest(run_key=key, run_config=recipe, tags=tags_of([names])[0] | asked)


@dg.sensor(
    job=evaluate_worldtasks,
    minimum_interval_seconds=120,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Evaluates each new Executor of a training that the recipe names, as runs with new names. Repeats a "
    "failed evaluation after 5 minutes, 10, 20 and so on, 6 hours at most.",
)
def new_executors(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    event = context.instance.get_latest_materialization_event(dg.AssetKey("executor"))
    found = event.asset_materialization if event is not None else None
    if found is None:
        return dg.SkipReason("no Executor has been trained yet")
    version, output = (found.tags or {}).get("dagster/data_version", ""), Path(str(found.metadata["output"].value))
    last = None
    if context.cursor == version:
        last = attempts(context.instance, "new_executors", {"executor": version}).get("executor")
        if last is None or not last.due:
            return dg.SkipReason("no new Executor" + (f": {last.said}" if last is not None else ""))
        context.log.warning(f"no new Executor: {last.said}")
    recipe = evaluation_recipe()
    training = store_of(resolved(recipe)).training
    if output.parent != training:
        return dg.SkipReason(f"the newest Executor is in {output}, but the recipe evaluates trainings in {training}")
    config, names = of_executor(recipe, output.name, version)
    if not names:
        told = block_of(resolved(recipe))
        known = sorted({one["training"] for one in (*told["runs"], *told.get("curves", [])) if one.get("training")})
        what = f"no run of the recipe uses training {output.name!r}, whose Executor is the newest"
        return dg.SkipReason(f"{what}. The recipe names {', '.join(map(repr, known)) or 'no training'}")
    added = EVALUATION_RUNS.build_add_request(names)
    there = [name for name in context.instance.get_dynamic_partitions(EVALUATION_RUNS.name) if name in names]
    names = [*there, *(name for name in names if name not in there)]  # Dagster's order, once they are added
    asked = tags("new_executors", {"executor": version})
    requests = [request(config, names, names[0] if last is None else last.key(names[0]), asked)]
    return dg.SensorResult(run_requests=requests, dynamic_partitions_requests=[added], cursor=version)


@dg.sensor(
    job=evaluate_worldtasks,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Evaluates each LoRA that a running training keeps, as a new point of the recipe's curves. Repeats a "
    "failed evaluation after 5 minutes, 10, 20 and so on, 6 hours at most.",
)
def new_checkpoints(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    recipe = evaluation_recipe()
    told = resolved(recipe)
    found = points(store_of(told), GeneratedVideosConfig(**block_of(told)))
    # A step that is trained again has a new folder: it is evaluated again, where the recipe says `replace`.
    now = {name: lora.stat().st_mtime_ns for name, (_, _, lora) in found.items()}
    known = json.loads(context.cursor) if context.cursor else {}
    asked = {name: when for name, when in now.items() if known.get(name) == when}
    last = attempts(context.instance, "new_checkpoints", asked)
    due = {name: one for name, one in last.items() if one.due}
    names = [name for name in now if name not in asked or name in due]
    if not names:
        waits = sorted({one.said for one in last.values() if not one.succeeded})
        what = "the trainings of the recipe's curves have no new checkpoint"
        return dg.SkipReason(f"{what}: {'; '.join(waits)}" if waits else what)
    for said in sorted({one.said for one in due.values()}):
        context.log.warning(said)
    there = context.instance.get_dynamic_partitions(EVALUATION_RUNS.name)
    fresh = [name for name in names if name not in there]
    requests = []
    for some in [*stretches(there, [name for name in names if name in there]), *([fresh] if fresh else [])]:
        key = f"{some[0]}-{now[some[0]]}"
        key = due[some[0]].key(key) if some[0] in due else key
        requests.append(request(recipe, some, key, tags("new_checkpoints", {name: now[name] for name in some})))
    added = [EVALUATION_RUNS.build_add_request(fresh)] if fresh else []
    return dg.SensorResult(run_requests=requests, dynamic_partitions_requests=added, cursor=json.dumps(now))
