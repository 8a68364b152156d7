"""From a job to encoded conditions: which pairs and windows they are of, and whether they are there already."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from media.remote import place
from training.conditions.folder import read_manifest
from training.conditions.held_out_pairs import from_bench, from_microworld, is_held_out, seen_only
from training.conditions.options import ConditionsOptions
from training.conditions.release import ReleaseImages, clips_of, read_pairs
from training.conditions.store import Pair

if TYPE_CHECKING:
    from training.conditions.windows import Window


def splits(
    options: ConditionsOptions, tree: Path, folder: Path
) -> tuple[dict[str, list[Pair]], Callable[[str], np.ndarray], dict[str, int]]:
    """The pairs by split, a function that gives the pixels of an image id, and how many pairs were left out, by why.

    `tree` is a release, `folder` the collection that it is of. Raises ValueError where a split is left without pairs.
    """
    from models.video.pixels import cut_share

    images = ReleaseImages(tree, folder)
    shape, out = (options.model.height, options.model.width), {}

    def uncut(split: str) -> list[Pair]:
        pairs = list(read_pairs(tree, split))
        kept = [pair for pair in pairs if cut_share(images.size(pair.image_id), shape) <= options.most_cropped]
        out[f"{split} pairs left out: cropped"] = len(pairs) - len(kept)
        if pairs and not kept:
            height, width = images.size(pairs[0].image_id)
            raise ValueError(
                f"cropped to {shape[1]}x{shape[0]}, every picture of the release's {split} split would lose more than "
                f"{options.most_cropped:.0%} of its area (the first is {width}x{height}): give the model a shape like "
                "the pictures', or raise conditions.most_cropped"
            )
        return kept

    train = uncut("train")
    if options.held_out.source == "bench":
        return {"train": train, "heldout": from_bench(uncut("bench"), options.held_out)}, images, out
    seen = seen_only(train)
    chosen, fresh = from_microworld(options.held_out)
    out["train pairs left out: held-out combinations"] = len(train) - len(seen)

    def pixels(image_id: str) -> np.ndarray:
        return fresh[image_id].picture if image_id in fresh else images(image_id)

    return {"train": seen, "heldout": chosen}, pixels, out


def labels_of(options: ConditionsOptions, job: dict) -> list[tuple["Window", str]]:
    """The labelled windows of clips that keep their picture; none, and no VLM, where none are asked for."""
    if not options.sft_videos.count:
        return []
    from microworld.vlm import build_vlm
    from models.vlm.ask_all import VLMSession
    from models.vlm.options import VLMOptions
    from training.conditions.windows import label_windows, windows

    vlm = VLMOptions(**job["vlm"])
    # What benchmark pictures and held-out tasks show is as new to `sft` as to the methods that train on pairs.
    bench = clips_of(Path(job["tree"]), "bench")
    clips = [(row, place(path)) for row, path in job["clips"] if row["clip_id"] not in bench]
    fresh = options.held_out.source == "microworld"
    found = windows(clips, options.model, options.sft_videos, options.most_cropped)
    # The VLM, if it is in this process, is gone before the encoders fill the memory.
    with VLMSession(lambda: build_vlm(vlm)) as session:
        return label_windows(
            found,
            session.client,
            Path(job["journal"]),
            options.sft_videos,
            vlm.concurrency,
            session.run,
            wanted=lambda task: not (fresh and is_held_out(task)),
        )


def encode(job: dict) -> dict:
    """Writes the conditions that a job describes, unless the same lie there already; returns facts about what was done.

    `job` is JSON: `options` (ConditionsOptions), `tree` (of the release), `folder` (of the collection), `out`,
    `dataset_version`; `lora_targets` to check against the model; with videos for `sft` also `vlm`, `clips` (rows and
    files) and `journal`.
    """
    from models.video.build_video_model import build_video_model, describe, identify, skeleton
    from training.conditions.encoding import write_conditions
    from training.conditions.windows import read_videos
    from training.policies.lora import check_targets

    options, out = ConditionsOptions(**job["options"]), Path(job["out"])
    began = time.monotonic()
    before = read_manifest(out)
    same = before and before["dataset_version"] == job["dataset_version"]
    if not same:
        # What does not fit is told from the configs, before anything is fetched, and before the VLM labels windows.
        describe(options.model)
    if targets := job.get("lora_targets"):
        check_targets(skeleton(options.model), targets)
    identity = identify(options.model)
    if same and before["identity"] == identity:
        return {"reused": True, "seconds": round(time.monotonic() - began, 3)}
    pairs, pixels, left_out = splits(options, Path(job["tree"]), Path(job["folder"]))
    labels = labels_of(options, job)
    model = build_video_model(options.model)
    facts = write_conditions(
        model,
        pairs,
        pixels,
        out,
        dataset_version=job["dataset_version"],
        batch=options.batch,
        videos=read_videos(labels),
        left_out=left_out,
    )
    seconds = round(time.monotonic() - began, 3)
    return {"reused": False, "seconds": seconds, "bytes": facts.bytes}
