"""Does everything add up? Checks over the tables of all shards, independent of the code that made them."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.assembly.statistics import SPLITS
from curation.schemas import WORLDTASKS
from curation.stages import NAMES, STAGES
from storage.collection import Store
from storage.tables import KEPT, read_meta

# What identifies a row, by the stage's unit.
KEYS = {"clips": ["clip_id"], "frames": ["frame_id"], "pairs": ["frame_id", "task_index"]}
UNITS = {stage.name: stage.unit for stage in STAGES}
# What identifies a row of a stage in the words of the stage before: (upstream, stage, columns that must agree).
LINKS = [(stage.upstream, stage.name, KEYS[UNITS[stage.upstream]]) for stage in STAGES if stage.upstream]


def counts_problems(store: Store) -> list[str]:
    """Sentences for every shard and stage that did not get exactly what the one before kept; empty when all is well."""
    problems = []
    for shard in store.shards:
        for upstream, stage, columns in LINKS:
            before, after = store.table(upstream, shard), store.table(stage, shard)
            if before.exists() and not after.exists():
                problems.append(f"{shard}: {upstream} is there, but {stage} is missing: materialize {stage}")
            elif before.exists():
                problems += _link_problems(before, after, columns, f"{shard}: {stage}")
    problems += _assembly_problems(store)
    return problems


def _link_problems(before: Path, after: Path, columns: list[str], where: str) -> list[str]:
    kept = _keys(before, columns, kept_only=True)
    got = _keys(after, columns, kept_only=False)
    lost, strange = kept - got, got - kept
    problems = []
    if lost:
        problems.append(f"{where} lost {len(lost)} rows that {before.parent.name} kept, e.g. {min(lost)}")
    if strange:
        problems.append(f"{where} has {len(strange)} rows that {before.parent.name} did not keep, e.g. {min(strange)}")
    return problems


def _keys(path: Path, columns: list[str], kept_only: bool) -> set[str]:
    table = pq.read_table(path, columns=[*columns, "status"])
    if kept_only:
        table = table.filter(pc.equal(table["status"], KEPT))
    texts = [pc.cast(table[name], pa.string()) for name in columns]
    joined = pc.binary_join_element_wise(*texts, "_") if len(texts) > 1 else texts[0]
    return set(joined.to_pylist())


def _assembly_problems(store: Store) -> list[str]:
    pairs = sum(pq.read_metadata(path).num_rows for path in store.tables("taxonomy"))
    rows = pq.read_metadata(store.worldtasks).num_rows
    return [f"worldtasks has {rows} rows, but taxonomy has {pairs}: materialize worldtasks"] if rows != pairs else []


def schema_problems(worldtasks: Path) -> list[str]:
    """Sentences for wrong columns, nulls, repeated ids and kept rows without a split."""
    with pq.ParquetFile(worldtasks) as file:
        schema = file.schema_arrow.remove_metadata()
        if schema != WORLDTASKS.remove_metadata():
            return [f"columns are {schema.names}, but must be {WORLDTASKS.names}"]
        problems, ids = [], []
        for batch in file.iter_batches(columns=["sample_id", "task", "solution", "image", "status", "split"]):
            kept = batch.filter(pc.equal(batch["status"], KEPT))
            ids.append(batch["sample_id"])
            for name in ("sample_id", "task", "solution", "image", "split"):
                empty = pc.sum(pc.or_kleene(pc.is_null(kept[name]), pc.equal(kept[name], ""))).as_py()
                if empty:
                    problems.append(f"{empty} kept rows have no {name}")
            splits = set(pc.unique(kept["split"]).to_pylist()) - {"train", "bench"}
            if splits:
                problems.append(f"splits are {sorted(map(str, splits))}, but must be train and bench")
    everything = pa.chunked_array(ids) if ids else pa.chunked_array([pa.array([], pa.string())])
    repeated = len(everything) - pc.count_distinct(everything).as_py()
    if repeated:
        problems.append(f"{repeated} sample ids appear twice")
    return problems


def split_sizes(worldtasks: Path) -> dict[str, int]:
    """Kept pairs by split."""
    splits = pq.read_table(worldtasks, columns=["split"], filters=[("status", "=", KEPT)])["split"]
    return {entry["values"]: entry["counts"] for entry in pc.value_counts(splits).to_pylist()}


def size_problems(worldtasks: Path) -> list[str]:
    """Sentences for splits that have fewer pairs than the table's own options ask for, and for a table without any."""
    options, sizes = read_meta(worldtasks)["options"], split_sizes(worldtasks)
    if not sizes:
        return ["no pair is left: there is nothing to publish"]
    wanted = {split: options[f"min_{split}_pairs"] for split in SPLITS}
    return [
        f"{split} has {sizes.get(split, 0)} pairs, but min_{split}_pairs asks for at least {least}"
        for split, least in wanted.items()
        if sizes.get(split, 0) < least
    ]


def shard_problems(store: Store) -> list[str]:
    """Shards that are missing or were built with other options than the rest."""
    problems = []
    for stage in NAMES:
        tables = {shard: store.table(stage, shard) for shard in store.shards}
        missing = [shard for shard, path in tables.items() if not path.exists()]
        if missing:
            problems.append(f"{stage}: {len(missing)} of {len(tables)} shards are not built, e.g. {missing[0]}")
        options = {str(read_meta(path)["options"]) for path in tables.values() if path.exists()}
        if len(options) > 1:
            problems.append(f"{stage}: shards were built with {len(options)} different settings")
    return problems


def drift(rates: dict[str, float], before: dict[str, float], tolerance: float) -> list[str]:
    """Sentences for stages whose share of kept rows moved by more than `tolerance` since the last release."""
    return [
        f"{stage} keeps {rates[stage]:.1%}, but the last release kept {before[stage]:.1%}"
        for stage in rates
        if stage in before and abs(rates[stage] - before[stage]) > tolerance
    ]
