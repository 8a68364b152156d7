"""What is known of a collection, read from its tables: for the dataset card and the report."""

from collections import defaultdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from curation.stages import NAMES, VLM_STAGES
from storage.collection import Store
from storage.notes import kept_note
from storage.tables import read_meta


def stage_options(store: Store) -> dict[str, dict[str, Any]]:
    """The options that each built stage's first table was made with, by stage."""
    return {stage: read_meta(store.tables(stage)[0])["options"] for stage in NAMES if store.tables(stage)}


def stage_seconds(store: Store) -> dict[str, float]:
    """Seconds that each stage's last real work took, summed over shards; a skipped run does not count."""
    seconds: dict[str, float] = defaultdict(float)
    for stage in (*NAMES, "worldtasks", "published_dataset"):
        for path in store.timings(stage):
            seconds[stage] += _seconds(path)
    return dict(seconds)


def _seconds(path: Path) -> float:
    """0 for a file that cannot be read, which is told: nothing but the report shows these numbers."""
    told = kept_note(path, "its seconds count as 0 until the stage works again").get("seconds", 0.0)
    return told if isinstance(told, float | int) else 0.0


def one_value(store: Store, stage: str, column: str) -> str:
    """The values of a column over all tables of a stage, joined: model ids, scorer names, prompt hashes."""
    values: set[str] = set()
    for path in store.tables(stage):
        values |= set(pq.read_table(path, columns=[column])[column].unique().to_pylist())
    return ", ".join(sorted(value for value in values if value))


def source_words(source: dict[str, Any]) -> str:
    """The source for a reader elsewhere: no path of this machine."""
    match source["kind"]:
        case "microworld":
            return f"microworld ({source['clips']} clips, seed {source['seed']})"
        case "miradata":
            return f"MiraData ({Path(source['csv']).name})"
        case _:
            return "a folder of videos"


def _without_paths(options: dict[str, Any]) -> dict[str, Any]:
    """Weights may lie anywhere on this machine; the scorer's name says by hash which they were."""
    return {name: value for name, value in options.items() if not name.endswith("_weights")}


def collection_facts(store: Store) -> dict[str, Any]:
    """Collection, source, models, scorer, prompt hashes and options; JSON values, no machine's paths."""
    options = stage_options(store)
    return {
        "collection": store.name,
        "source": source_words(options["clips"]["source"]),
        "vlm": one_value(store, "tasks", "vlm"),
        "scorer": one_value(store, "aesthetics", "scorer"),
        "prompts": {stage: one_value(store, stage, "prompt_hash") for stage in VLM_STAGES},
        "options": {stage: _without_paths(value) for stage, value in options.items() if stage != "clips"},
        "seconds": stage_seconds(store),
        "generated_by": f"wmsd {version('wmsd')}",
    }
