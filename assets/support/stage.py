"""How a partitioned stage runs: shard by shard under a lock, skipped when nothing changed, table replaced whole."""

import base64
import json
import time
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq

from assets.support.partitions import ALL_SHARDS, SHARDS
from assets.support.run_config import check_run_config
from curation.schemas import TOKENS, UNFINISHED
from curation.shards import shard_key
from storage.collection import Store
from storage.files import exclusive, sha256_bytes, sha256_file, sweep, write_bytes
from storage.tables import KEPT, read_meta, write_table

# Backfill policies are marked beta; eight lines of that at every start would bury what matters.
warnings.filterwarnings("ignore", message=".*backfill_policy.*", category=dg.BetaWarning)


@dataclass(frozen=True)
class Stage:
    """What one stage needs to run. `version` changes when the stage's code makes other rows from the same input."""

    name: str
    schema: pa.Schema
    version: str
    upstream: str | None = None


@dataclass(frozen=True)
class Outcome:
    """One shard's table after a run."""

    shard: str
    path: Path
    sha256: str  # of the table's file
    rows: int
    kept: int
    reasons: Counter
    seconds: float
    reused: bool
    tokens: dict[str, int]  # what the VLM was paid for this table; empty where it was not asked

    def metadata(self) -> dict[str, Any]:
        return {
            "dagster/row_count": self.rows,
            "kept": self.kept,
            "rejected": self.rows - self.kept,
            "reasons": dg.MetadataValue.json(dict(self.reasons.most_common())),
            "seconds": round(self.seconds, 3),
            "reused": self.reused,
            "table": dg.MetadataValue.path(str(self.path)),
            "sha256": self.sha256,
            **self.tokens,
        }


def shard_keys(context: dg.AssetExecutionContext) -> list[str]:
    """The shards of this run; refuses a run without any, which Dagster would record as if all had been built."""
    if not context.has_partition_key and not context.has_partition_key_range:
        tags = json.dumps(ALL_SHARDS)
        raise dg.Failure(
            f"{context.asset_key.to_user_string()} is partitioned by shard and this run names none. For one shard add "
            f"--tags '{{\"dagster/partition\": \"{shard_key(0)}\"}}', for all of them --tags '{tags}', or run "
            "`make build RECIPE=recipes/NAME.yaml`. In the UI choose the partitions to materialize.",
            allow_retries=False,
        )
    return list(context.partition_keys)


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
    """Materialises `stage` for the shards of this run.

    `options` are the values that decide the rows; with the upstream table's hash and the stage's version they are the
    fingerprint, and a shard whose table has that fingerprint, no unfinished rows and passes `intact` is left alone.
    `source(shard)` stands for the upstream hash where there is no upstream table.
    `build(shard)` gives the rows. `pictures(tables)` gives small PNG or JPEG files by name, shown in the UI.
    """
    shards = shard_keys(context)
    check_run_config(context.run.run_config)
    outcomes = []
    for shard in shards:
        outcome = _run_shard(context, store, stage, options, build, intact, source, shard)
        context.add_asset_metadata(outcome.metadata(), partition_key=shard)
        outcomes.append(outcome)
    totals = {
        "rows in this run": sum(outcome.rows for outcome in outcomes),
        "kept in this run": sum(outcome.kept for outcome in outcomes),
        "why rejected": reasons_markdown(outcomes),
    }
    shown = _pictures(store, stage.name, outcomes, pictures) if pictures else {}
    version = sha256_bytes("".join(outcome.sha256 for outcome in outcomes).encode())[:16]
    return dg.MaterializeResult(metadata=totals | shown, data_version=dg.DataVersion(version))


def _run_shard(context, store: Store, stage: Stage, options, build, intact, source, shard: str) -> Outcome:
    path = store.table(stage.name, shard)
    with exclusive(store.lock(stage.name, shard)):
        began = time.monotonic()
        sweep(path.parent, path.name)
        meta = {"stage": stage.name, "version": stage.version, "options": json_value(options)}
        if source is not None:
            meta["upstream"] = source(shard)
        else:
            upstream = store.table(stage.upstream, shard)
            if not upstream.exists():
                raise dg.Failure(f"{stage.name} needs {stage.upstream} of {shard}, which is not there: build it first")
            meta["upstream"] = sha256_file(upstream)
        meta["fingerprint"] = sha256_bytes(json.dumps(meta, sort_keys=True).encode())
        before = read_meta(path)
        reused = before.get("fingerprint") == meta["fingerprint"] and not before["unfinished"] and intact(path)
        if not reused:
            rows = build(shard)
            unfinished = sum(row["reason"] == UNFINISHED for row in rows)
            write_table(path, rows, stage.schema, meta | {"unfinished": unfinished})
            seconds = time.monotonic() - began
            write_bytes(store.timing(stage.name, shard), json.dumps({"seconds": round(seconds, 3)}).encode())
    tokens = [name for name, _ in TOKENS if name in stage.schema.names]
    verdicts = pq.read_table(path, columns=["status", "reason", *tokens])
    reasons = Counter(reason for reason in verdicts["reason"].to_pylist() if reason)
    kept = verdicts["status"].to_pylist().count(KEPT)
    seconds = time.monotonic() - began
    context.log.info(f"{stage.name} {shard}: {kept} of {verdicts.num_rows} kept" + (", unchanged" if reused else ""))
    paid = {name: sum(verdicts[name].to_pylist()) for name in tokens}
    return Outcome(shard, path, sha256_file(path), verdicts.num_rows, kept, reasons, seconds, reused, paid)


def json_value(options: Mapping[str, Any]) -> dict[str, Any]:
    """`options` as they come back from JSON, so that a stored and a fresh copy compare equal."""
    return json.loads(json.dumps(options))


def reasons_markdown(outcomes: list[Outcome]) -> dg.MetadataValue:
    total = sum((outcome.reasons for outcome in outcomes), Counter())
    rows = sum(outcome.rows for outcome in outcomes)
    lines = ["| reason | rows | share |", "|---|---:|---:|"]
    lines += [f"| {reason} | {count} | {count / rows:.1%} |" for reason, count in total.most_common()]
    return dg.MetadataValue.md("\n".join(lines) if total else "none")


def _pictures(store: Store, stage: str, outcomes: list[Outcome], draw) -> dict[str, dg.MetadataValue]:
    """Draws anew when a shard changed, else shows the files of the last time."""
    folder = store.picture(stage, "").resolve()
    if not folder.is_dir() or not all(outcome.reused for outcome in outcomes):
        for name, data in draw(store.tables(stage)).items():
            write_bytes(store.picture(stage, name), data)
    return {path.stem: picture_metadata(path) for path in sorted(folder.glob("[!.]*"))} if folder.is_dir() else {}


def picture_metadata(path: Path) -> dg.MetadataValue:
    """A small picture file as inline Markdown for the UI."""
    kind = "png" if path.suffix == ".png" else "jpeg"
    data = base64.b64encode(path.read_bytes()).decode()
    return dg.MetadataValue.md(f"![{path.stem}](data:image/{kind};base64,{data})")


def stage_asset(stage: Stage, **attributes):
    """The decorator of every partitioned stage: partitions, backfill policy, group and lineage in one place."""
    return dg.asset(
        name=stage.name,
        partitions_def=SHARDS,
        # One run takes any number of shards: models load once, and finished shards are skipped.
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[stage.upstream] if stage.upstream else None,
        code_version=stage.version,
        group_name="curation",
        **attributes,
    )
