"""Evaluated runs as partitions: which of them a Dagster run is about.

Partitions side by side can be one Dagster run, so that one model is loaded once for all of them.
"""

import json

import dagster as dg

from assets.support.evaluation.curves import is_point
from assets.support.evaluation.options import run_name
from assets.support.run_config import PARTITION, resolved
from evaluation.records import MANIFEST
from evaluation.stored import with_file
from storage.collection import Store

EVALUATION_RUNS = dg.DynamicPartitionsDefinition(name="evaluation_runs")
RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
# Tags of ours, JSON lists of names: what a run over a range is about, and what its command has to make after it.
STARTED_FOR, LATER = "wmsd/evaluation_runs", "wmsd/evaluation_runs_later"


def recipe_names(run: dg.DagsterRun) -> tuple[list[str], list[dict]]:
    """The runs of the recipe that `run` was started with, and its blocks of curves; none where it has no such block."""
    ops = resolved(run.run_config.get("ops") or {}, "ops")
    block = (ops.get("generated_videos") or {}).get("config") or {}
    return [entry["name"] for entry in block.get("runs", [])], list(block.get("curves", []))


def asked_names(run: dg.DagsterRun, instance: dg.DagsterInstance) -> list[str]:
    """The evaluated runs that a Dagster run is about: its partitions.

    Raises dagster.Failure where it has none, or one that is no name or none of the recipe's runs.
    """
    (told, curves), partitions = recipe_names(run), partitions_of(run, instance)
    if not partitions:
        raise dg.Failure(
            "this Dagster run names no partition: evaluations are partitioned by the runs of the recipe "
            f"({', '.join(told) or 'it has none'}). Start all of them with `make evaluate RECIPE=...`. With Dagster's "
            'own command add --tags \'{"dagster/partition": "NAME"}\'. In the UI choose the partitions to materialize',
            allow_retries=False,
        )
    for name in partitions:
        try:
            run_name(name)
        except ValueError as error:
            raise dg.Failure(f"partition: {error}", allow_retries=False) from error
        if told and name not in told and not is_point(name, curves):
            known = [*told, *(f"{one['name']}-step-NUMBER" for one in curves)]
            raise dg.Failure(
                f"partition {name!r} is not a run of the recipe ({', '.join(known)}): choose one of these, or add "
                "yours to ops.generated_videos.config.runs",
                allow_retries=False,
            )
    return partitions


def made_names(context: dg.AssetExecutionContext, store: Store, needed: str = MANIFEST) -> list[str]:
    """The same for an asset after the videos. Raises dagster.Failure for a run whose folder lacks the file `needed`."""
    names = asked_names(context.run, context.instance)
    for name in names:
        if not (store.evaluated(name) / needed).is_file():
            raise dg.Failure(
                f"run {name!r} has no {needed} in {store.evaluated(name)}: first materialise the assets before "
                f"{context.asset_key.to_user_string()}, or run `make evaluate RECIPE=...`, which does",
                allow_retries=False,
            )
    return names


def checked_names(context: dg.AssetCheckExecutionContext, store: Store, needed: str, together: bool) -> list[str]:
    """The runs that a check covers. Only runs that have the file `needed` count.

    These are the partitions of the Dagster run. With `together` the recipe's other runs are added, except those that
    its command makes next. Without partitions and recipe: all runs of the collection. Raises dagster.Failure for none.
    """
    names = partitions_of(context.run, context.instance)
    told, curves = recipe_names(context.run)
    told += [name for name in with_file(store, needed) if is_point(name, curves)]
    later = json.loads(context.run.tags.get(LATER, "[]"))  # as they were before
    told = [name for name in told if name not in later]
    names += [name for name in told if name not in names and (together or not names)]
    names = [name for name in with_file(store, needed) if name in names or not names]
    if not names:
        raise dg.Failure(f"nothing to check: no run in {store.evaluated_runs} has {needed}", allow_retries=False)
    return names


def partitions_of(run: dg.DagsterRun, instance: dg.DagsterInstance) -> list[str]:
    """The partitions in a run's tags, in Dagster's order; [] for a run without any.

    A range must mean the same names for all steps of a run and for its retries. So a tag keeps the names for which the
    run was started, or those of its first step. Raises dagster.Failure when Dagster's list now gives other names.
    """
    if PARTITION in run.tags:
        return [run.tags[PARTITION]]
    if RANGE[0] not in run.tags:
        return []
    keys, ends = list(instance.get_dynamic_partitions(EVALUATION_RUNS.name)), [run.tags[tag] for tag in RANGE]
    names = keys[keys.index(ends[0]) : keys.index(ends[1]) + 1] if set(ends) <= set(keys) else []
    kept = instance.get_run_by_id(run.run_id)
    tags = {**run.tags, **(kept.tags if kept else {})}
    if STARTED_FOR not in tags and names:
        instance.add_run_tags(run.run_id, {STARTED_FOR: json.dumps(names)})
    elif not names or tags[STARTED_FOR] != json.dumps(names):
        raise dg.Failure(
            f"the list of partitions has changed. This run was started for {tags.get(STARTED_FOR, ' to '.join(ends))}, "
            f"and from {ends[0]!r} to {ends[1]!r} there are now {', '.join(names) or 'none'}. Start it again with "
            "`make evaluate RECIPE=...`: finished work is kept",
            allow_retries=False,
        )
    return names
