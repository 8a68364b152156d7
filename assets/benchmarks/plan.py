"""From a recipe's block to the options of evaluation/, with the collection's own folders filled in."""

import json
from pathlib import Path
from typing import Any

from assets.benchmarks.options import EvaluatedRun, GeneratedVideosConfig
from assets.config_blocks import plain
from assets.store import Store
from evaluation.generation.options import GenerateOptions
from storage.files import confined

FINAL, DONE = "final", "done.json"  # of a training run's folder


def generate_options(store: Store, config: GeneratedVideosConfig, run: EvaluatedRun) -> GenerateOptions:
    """What `python -m evaluation.generate` is told of one run.

    Raises FileNotFoundError where the LoRA of the training run that it names is not there yet.
    """
    lora, dataset = (run.lora, "") if not run.training else trained(store, run)
    given = plain(config)
    return GenerateOptions(
        output=str(store.evaluated(run.name)),
        name=run.name,
        role=run.role,
        step=run.step,
        benchmark=source(store, given["benchmark"], short=run.queries == "short"),
        samples=run.samples or config.samples,
        model=plain(run.model) if run.model else given["model"],
        lora=lora,
        lora_revision=run.lora_revision,
        conditioning=run.conditioning,
        sampler=plain(run.sampler) if run.sampler else given["sampler"],
        seeds=tuple(config.seeds),
        batch=config.batch,
        dataset_version=dataset,
        notes=tuple(run.notes),
        writer=given["writer"],
        replace=config.replace,
    )


def trained(store: Store, run: EvaluatedRun) -> tuple[str, str]:
    """(folder of the final LoRA, version of the dataset it was trained on) of the training run that `run` names."""
    folder = confined(store.training, run.training)
    if not (folder / FINAL).is_dir():
        raise FileNotFoundError(
            f"run {run.name!r} wears the LoRA of training {run.training!r}, and {folder / FINAL} is not there: "
            "train it first (make train RECIPE=...)"
        )
    note = folder / DONE
    version = json.loads(note.read_text(encoding="utf-8")).get("dataset_version", "") if note.is_file() else ""
    return str(folder / FINAL), version


def source(store: Store, block: dict[str, Any], short: bool) -> dict[str, Any]:
    """The options of evaluation/generation/sources.py. A release's pictures that are no files go beside the runs."""
    pictures = store.evaluation / "benchmarks"
    match block["kind"]:
        case "microworld":
            return block | {"path": str(pictures)}
        case "release":
            version = block["version"] or "latest"
            return {
                "kind": "release",
                "path": str(store.published / version),
                "extracted": str(pictures / "release"),
                "collection": str(store.folder),
                "missing_images": block["missing_images"],
            }
        case "vbvr":
            return block | {"rewrites": str(queries_folder(store)) if short else ""}
    return block


def queries_folder(store: Store) -> Path:
    """Where VBVR's shortened queries lie."""
    return store.evaluation / "vbvr_queries"
