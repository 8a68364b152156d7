"""Evaluated runs as partitions: which of them a Dagster run is about, and what is recorded of each.

Partitions side by side can be one Dagster run, so that one model is loaded once for all of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from assets.benchmarks.options import run_name
from assets.run_config import PARTITION, resolved
from assets.store import Store
from evaluation.records import MANIFEST

EVALUATION_RUNS = dg.DynamicPartitionsDefinition(name="evaluation_runs")
RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
Metadata = Mapping[str, Any]


@dataclass(frozen=True)
class Recorded:
    """What is told of one evaluated run."""

    metadata: Metadata
    version: str


def recipe_names(run: dg.DagsterRun) -> list[str]:
    """The runs of the recipe that `run` was started with; none where the recipe has no such block."""
    ops = resolved(run.run_config.get("ops") or {}, "ops")
    return [entry["name"] for entry in ((ops.get("generated_videos") or {}).get("config") or {}).get("runs", [])]


def asked_names(run: dg.DagsterRun, instance: dg.DagsterInstance) -> list[str]:
    """The evaluated runs that a Dagster run is about: its partitions.

    Raises dagster.Failure where it has none, or one that is no name or none of the recipe's runs.
    """
    told, partitions = recipe_names(run), partitions_of(run, instance)
    if not partitions:
        raise dg.Failure(
            "evaluations are partitioned by the name of a run and this run names none: `make evaluate RECIPE=...` "
            f"names those of its recipe ({', '.join(told) or 'which this one lacks'}); with Dagster's own command add "
            '--tags \'{"dagster/partition": "NAME"}\', in the UI choose the partitions to materialize',
            allow_retries=False,
        )
    for name in partitions:
        try:
            run_name(name)
        except ValueError as error:
            raise dg.Failure(f"partition: {error}", allow_retries=False) from error
        if told and name not in told:
            raise dg.Failure(
                f"partition {name!r} is none of the recipe's runs ({', '.join(told)}): choose one of these, or add it "
                "to ops.generated_videos.config.runs",
                allow_retries=False,
            )
    return partitions


def made_names(context: dg.AssetExecutionContext, store: Store, needed: str = MANIFEST) -> list[str]:
    """The same for an asset after the videos. Raises dagster.Failure for a run whose folder lacks the file `needed`."""
    names = asked_names(context.run, context.instance)
    for name in names:
        if not (store.evaluated(name) / needed).is_file():
            raise dg.Failure(
                f"run {name!r} has no {needed} in {store.evaluated(name)}: materialise what is before "
                f"{context.asset_key.to_user_string()} first (make evaluate does)",
                allow_retries=False,
            )
    return names


def with_file(store: Store, needed: str) -> list[str]:
    """All runs of the collection that have the file `needed`, by name."""
    return sorted(path.parent.name for path in (store.evaluation / "runs").glob(f"*/{needed}"))


def checked_names(context: dg.AssetCheckExecutionContext, store: Store, needed: str, together: bool) -> list[str]:
    """The runs that a check is about, of those that have the file `needed`: the partitions, or `together` with the
    others of the recipe; all of the collection where there is neither. Raises dagster.Failure when none is left."""
    names = partitions_of(context.run, context.instance)
    names += [name for name in recipe_names(context.run) if name not in names and (together or not names)]
    names = [name for name in with_file(store, needed) if name in names or not names]
    if not names:
        raise dg.Failure(f"no run with {needed} in {store.evaluation / 'runs'}: nothing to check", allow_retries=False)
    return names


def recorded(
    context: dg.AssetExecutionContext, found: Mapping[str, Recorded], summary: Metadata | None = None
) -> dg.MaterializeResult:
    """What the asset returns: each partition with its own metadata. `summary` is over several, and told by each."""
    if context.has_partition_key:
        (one,) = found.values()
        return dg.MaterializeResult(metadata=dict(one.metadata), data_version=dg.DataVersion(one.version))
    for name, one in found.items():
        context.add_asset_metadata(dict(one.metadata) | {"version": one.version}, partition_key=name)
    return dg.MaterializeResult(metadata=dict(summary or {}))


def partitions_of(run: dg.DagsterRun, instance: dg.DagsterInstance) -> list[str]:
    """The partitions in a run's tags, in Dagster's order; none where it has none."""
    if PARTITION in run.tags:
        return [run.tags[PARTITION]]
    if RANGE[0] not in run.tags:
        return []
    keys = list(instance.get_dynamic_partitions(EVALUATION_RUNS.name))
    first, last = (keys.index(run.tags[tag]) for tag in RANGE)
    return keys[first : last + 1]
