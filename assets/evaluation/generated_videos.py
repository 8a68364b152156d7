"""One evaluated run a partition: videos of a model with one conditioning, for every task of a benchmark.

A run is a base model, an optional LoRA, a conditioning (the short task T, the stored solution D, or a solution that a
VLM writes), a sampler and seeds. Runs of one recipe share the loaded model. Each finished video is kept, so a
cancelled or killed run continues where it stopped. The LoRAs that a training kept make runs too: the points of a
curve. `run.json` in a run's folder records everything that decides its videos.
"""

import dataclasses
import json
from pathlib import Path

import dagster as dg

from assets.support.evaluation.asset import run_asset
from assets.support.evaluation.command import run_command
from assets.support.evaluation.launch import judges_ahead
from assets.support.evaluation.options import GeneratedVideosConfig
from assets.support.evaluation.partitions import asked_names
from assets.support.evaluation.plan import planned
from assets.support.evaluation.recorded import Recorded, recorded
from assets.support.pictures import posters
from assets.support.resources import CollectionResource
from assets.support.run_config import PARTITION, check_run_config
from evaluation.records import CUT, MANIFEST, ORIGIN, RUN, RunRecord, VideoRecord, read_lines, read_one
from storage.files import sha256_bytes


@run_asset(
    # What a run may be of: a base that was trained here, an Executor, a release's benchmark split.
    deps=["microworld_model", "executor", "published_dataset", "vbvr_queries"],
    kinds={"python", "torch"},
)
def generated_videos(
    context: dg.AssetExecutionContext, config: GeneratedVideosConfig, collection: CollectionResource
) -> dg.MaterializeResult:
    checked = check_run_config(context.run.run_config, context.run.tags.get(PARTITION))
    store = collection.store()
    names = asked_names(context.run, context.instance)
    try:
        plans = planned(store, config, names, checked["scores"].expected if "scores" in checked else None)
    except (ValueError, FileNotFoundError) as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    options = {"runs": [plan.model_dump(mode="json") for plan in plans], "judges": judges_ahead(checked)}
    made = run_command(context, store, "evaluation.generate", options, names, config.grace_s)
    found = {name: described(store.evaluated(name), int(made.get(name, 0))) for name in names}
    return recorded(context, found)


def described(folder: Path, made: int) -> Recorded:
    """Metadata of a run's videos; their version is that of the files."""
    record, videos = read_one(folder / RUN, RunRecord), list(read_lines(folder / MANIFEST, VideoRecord))
    good = [video for video in videos if not video.failure]
    values = dataclasses.asdict(record)
    metadata = {
        "folder": dg.MetadataValue.path(str(folder)),
        "role": record.role,
        "conditioning": record.conditioning,
        "benchmark": f"{record.benchmark} {record.benchmark_version}",
        "dataset version": record.dataset_version or "none",
        "checkpoint": record.model["path"],
        "model identity": record.identity,
        "lora": record.lora or "none",
        "lora sha256": record.lora_sha256 or "none",
        "videos": len(good),
        "failed": len(videos) - len(good),
        "videos made now": made,
        "seconds a video": round(sum(video.seconds for video in good) / max(1, len(good)), 4),
        "run record": dg.MetadataValue.json(json.loads(json.dumps(values))),
    }
    if CUT in record.extra:
        metadata["largest share cut off a first frame"] = record.extra[CUT]["largest"]
    if record.step is not None:
        metadata["step"] = record.step
    metadata |= {name: record.extra[name] for name in ORIGIN if name in record.extra}
    if picture := posters(folder, good):
        metadata["posters"] = dg.MetadataValue.md(picture)
    version = sha256_bytes("\n".join(f"{video.video_id} {video.sha256}" for video in videos).encode())
    return Recorded(metadata, version[:16])
