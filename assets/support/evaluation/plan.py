"""From a recipe's block to the options of evaluation/, with the collection's own folders filled in."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from assets.support.config_blocks import plain
from assets.support.evaluation.curves import points
from assets.support.evaluation.options import EvaluatedRun, GeneratedVideosConfig
from evaluation.generation.options import GenerateOptions
from storage.collection import Store
from storage.files import confined
from training.checkpoint_state import read_state
from training.run_folder import WEIGHTS, ended
from training.step_folders import CHECKPOINTS, step_folders


def planned(
    store: Store, config: GeneratedVideosConfig, names: Sequence[str], expected: int | None = None
) -> list[GenerateOptions]:
    """The options of `python -m evaluation.generate` for the runs `names`: rows of the table and points of curves.

    `expected`: how many samples a run over the whole benchmark must have; None: any number.

    Raises FileNotFoundError when a training run has no LoRA yet.
    """
    rows = {run.name: run for run in config.runs}
    kept = points(store, config) if set(names) - rows.keys() else {}
    missing = [name for name in names if name not in rows and name not in kept]
    if missing:
        raise FileNotFoundError(
            f"run {missing[0]!r}: the training kept no LoRA of this step. Points with a LoRA: {list(kept)}"
        )
    made = [generate_options(store, config, rows[name], expected=expected) for name in names if name in rows]
    for name in kept.keys() & set(names):
        curve, step, lora = kept[name]
        given = plain(curve)
        shared = {key: given[key] for key in ("role", "training", "samples", "notes", "model", "sampler")}
        run = EvaluatedRun(**shared, name=name, step=step)
        made.append(generate_options(store, config, run, str(lora), curve.name, expected))
    return sorted(made, key=lambda one: names.index(one.run_name))


def generate_options(
    store: Store,
    config: GeneratedVideosConfig,
    run: EvaluatedRun,
    lora: str = "",
    curve: str = "",
    expected: int | None = None,
) -> GenerateOptions:
    """The options for one run. `lora`: the LoRA of one training step, instead of the final one. `curve`: the curve that
    the run is a point of. `expected` as in `planned`.

    Raises FileNotFoundError when the training run that it names has no LoRA yet.
    """
    dataset = dataset_version(confined(store.training, run.training)) if run.training else ""
    given = plain(config)
    return GenerateOptions(
        output=str(store.evaluated(run.name)),
        name=run.name,
        role=run.role,
        step=run.step,
        training=run.training,
        curve=curve,
        benchmark=source(store, given["benchmark"], short=run.queries == "short"),
        samples=run.samples or config.samples,
        part=run.samples is not None and (config.samples is None or run.samples < config.samples),
        expected=expected,
        model=plain(run.model) if run.model else given["model"],
        lora=lora or (trained(store, run) if run.training else run.lora),
        lora_revision=run.lora_revision,
        conditioning=run.conditioning,
        sampler=plain(run.sampler) if run.sampler else given["sampler"],
        seeds=tuple(config.seeds),
        batch=config.batch,
        dataset_version=dataset,
        notes=tuple(run.notes),
        writer=given["writer"],
        control=run.control,
        control_of=str(store.evaluated(run.of)) if run.of else "",
        max_cut_share=config.max_cut_share,
        replace=config.replace,
    )


def trained(store: Store, run: EvaluatedRun) -> str:
    """The folder of the final LoRA of the training run that `run` names. Raises ValueError for another Executor's."""
    folder = confined(store.training, run.training)
    if not (folder / WEIGHTS).is_dir():
        raise FileNotFoundError(
            f"run {run.name!r} needs the LoRA of training {run.training!r}, but {folder / WEIGHTS} does not exist: "
            "train it first with `make train RECIPE=...`"
        )
    if run.executor:
        held = str(ended(folder).get("fingerprint", ""))
        if not held.startswith(run.executor):
            raise ValueError(
                f"run {run.name!r} needs Executor {run.executor}, but {folder} now holds "
                f"{held[:16] or 'no finished one'}: it was trained again. Set `executor` to that version, or remove it"
            )
    return str(folder / WEIGHTS)


def dataset_version(training: Path) -> str:
    """Of the dataset that is trained on in the folder `training`: its own note, or its newest checkpoint's; else ""."""
    done = ended(training)
    if done:
        return str(done.get("dataset_version", ""))
    for _, folder in reversed(step_folders(training / CHECKPOINTS)):
        with contextlib.suppress(FileNotFoundError):  # a running one removes older checkpoints
            return str(read_state(folder)[0].get("dataset_version", ""))
    return ""


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
