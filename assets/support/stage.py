"""A partitioned stage as an asset: its decorator, and how it runs for the shards of a Dagster run."""

import json
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from assets.support.asset import asset
from assets.support.partitions import ALL_SHARDS, SHARDS
from assets.support.run_config import check_run_config
from curation.run_shard import NotBuilt, Outcome, run_shard
from curation.shards import shard_key
from curation.stage import Stage
from models.vlm.failures import MENDABLE, TooManyMalformed
from models.vlm.preflight import NotReady
from pages.pictures import inline
from storage.collection import Store
from storage.damage import Damaged
from storage.files import sha256_bytes, write_bytes

# Backfill policies are marked beta; eight lines of that at every start would bury what matters.
warnings.filterwarnings("ignore", message=".*backfill_policy.*", category=dg.BetaWarning)


def stage_asset(stage: Stage, group: str = "curation", **attributes):
    """The decorator of every partitioned stage: partitions, backfill policy, group and lineage in one place."""
    return asset(
        group=group,
        partitions_def=SHARDS,
        # One run takes any number of shards: models load once, and finished shards are skipped.
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[stage.upstream] if stage.upstream else None,
        code_version=stage.version,
        **attributes,
    )


def run_stage(
    context: dg.AssetExecutionContext,
    store: Store,
    stage: Stage,
    options: Mapping[str, Any],
    build: Callable[[str], list[dict]],
    pictures: Callable[[list[Path]], Mapping[str, bytes]] | None = None,
    intact: Callable[[Path], bool] = lambda path: True,
    source: Callable[[str], str] | None = None,
) -> dg.MaterializeResult:
    """Materialises `stage` for the shards of this run; `options`, `build`, `intact` and `source` as in `run_shard`.

    `pictures(tables)` gives small PNG or JPEG files by name, shown in the UI.
    """
    shards = shard_keys(context)
    check_run_config(context.run.run_config)
    outcomes = []
    for shard in shards:
        try:
            outcome = run_shard(store, stage, shard, options, build, intact, source)
        except (Damaged, NotBuilt) as error:
            raise dg.Failure(str(error)) from error
        except NotReady as error:
            raise dg.Failure(str(error), allow_retries=False) from None
        except TooManyMalformed:
            forget_malformed(outcomes)
            raise
        told = f"{stage.name} {shard}: {outcome.kept} of {outcome.rows} kept"
        context.log.info(told + (", unchanged" if outcome.reused else ""))
        context.add_asset_metadata(metadata_of(outcome), partition_key=shard)
        outcomes.append(outcome)
    totals = {
        "rows in this run": sum(outcome.rows for outcome in outcomes),
        "kept in this run": sum(outcome.kept for outcome in outcomes),
        "why rejected": reasons_markdown(outcomes),
    }
    shown = _pictures(store, stage.name, outcomes, pictures) if pictures else {}
    version = sha256_bytes("".join(outcome.sha256 for outcome in outcomes).encode())[:16]
    return dg.MaterializeResult(metadata=totals | shown, data_version=dg.DataVersion(version))


def forget_malformed(outcomes: list[Outcome]) -> None:
    """Removes the tables of this run that a server spoilt which, a shard later, turned out to be wrong.

    They would count as finished, and their frames as rejected, once it answers well. The next run makes them again.
    """
    for outcome in outcomes:
        if not outcome.reused and outcome.reasons.keys() & set(MENDABLE):
            outcome.path.unlink()


def shard_keys(context: dg.AssetExecutionContext) -> list[str]:
    """The shards of this run. Refuses a run without shards, since Dagster would record that all were built."""
    if not context.has_partition_key and not context.has_partition_key_range:
        tags = json.dumps(ALL_SHARDS)
        raise dg.Failure(
            f"this run names no shard: {context.asset_key.to_user_string()} is partitioned by shard. For one shard add "
            f"--tags '{{\"dagster/partition\": \"{shard_key(0)}\"}}'. For all shards add --tags '{tags}', or run "
            "`make build RECIPE=recipes/NAME.yaml`. In the UI choose the partitions to materialize.",
            allow_retries=False,
        )
    return list(context.partition_keys)


def metadata_of(outcome: Outcome) -> dict[str, Any]:
    return {
        "dagster/row_count": outcome.rows,
        "kept": outcome.kept,
        "rejected": outcome.rows - outcome.kept,
        "reasons": dg.MetadataValue.json(dict(outcome.reasons.most_common())),
        "seconds": round(outcome.seconds, 3),
        "reused": outcome.reused,
        "table": dg.MetadataValue.path(str(outcome.path)),
        "sha256": outcome.sha256,
        **outcome.tokens,
    }


def reasons_markdown(outcomes: list[Outcome]) -> dg.MetadataValue:
    total = sum((outcome.reasons for outcome in outcomes), Counter())
    rows = sum(outcome.rows for outcome in outcomes)
    lines = ["| reason | rows | share |", "|---|---:|---:|"]
    lines += [f"| {reason} | {count} | {count / rows:.1%} |" for reason, count in total.most_common()]
    return dg.MetadataValue.md("\n".join(lines) if total else "none")


def _pictures(store: Store, stage: str, outcomes: list[Outcome], draw) -> dict[str, dg.MetadataValue]:
    """Draws new pictures when a shard changed, else shows the ones from before."""
    folder = store.pictures(stage)
    if not folder.is_dir() or not all(outcome.reused for outcome in outcomes):
        for name, data in draw(store.tables(stage)).items():
            write_bytes(folder / name, data)
    files = sorted(folder.glob("[!.]*")) if folder.is_dir() else []
    return {path.stem: dg.MetadataValue.md(inline(path.stem, path.read_bytes())) for path in files}
