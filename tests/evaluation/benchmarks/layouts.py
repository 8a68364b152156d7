"""Folders as the other benchmarks release them, and a run's folder as generation leaves it."""

import base64
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from evaluation.records import RunRecord, Sample, VideoRecord, write_lines, write_one

VERBS = ("pick up the red apple from the tray to the bowl", "close lunch box", "stir with spoon, slowly")


def picture(seed: int = 0, side: int = 8) -> bytes:
    """A PNG of one colour."""
    import PIL.Image

    buffer = io.BytesIO()
    PIL.Image.new("RGB", (side, side), (seed % 256, seed // 256 % 256, 100)).save(buffer, "PNG")
    return buffer.getvalue()


def dreamgen(root: Path, counts: Mapping[str, int]) -> Path:
    """EVAL-175's layout: names end with a full stop, spaces in most folders, underscores in others.

    Number 1 of each folder is the odd one: the image lacks the stop that its prompt file has. Number 2 has no prompt
    file. RoboCasa's names have underscores and a comma.
    """
    for folder, count in counts.items():
        (root / folder).mkdir(parents=True)
        for i in range(count):
            words = f"Use the {'left' if i % 2 else 'right'} hand to {VERBS[i % 3]} {i}."
            stem = f"{i}_{words}"
            if folder == "robocasa":
                words = f"close the cabinet door {i}, from left, right and wrist view"
                stem = f"{i}_{words.replace(' ', '_')}"
            image = root / folder / f"{stem.removesuffix('.') if i == 1 else stem}.{'jpg' if i == 4 else 'png'}"
            image.write_bytes(picture(i))
            if i != 2:
                (root / folder / f"{stem}.txt").write_text(f"{words} The robot stands still.\n")
    return root


def vbvr(root: Path, tasks: int, each: int, *, folders: bool = True, listed: bool = True, first: int = 0) -> Path:
    """VBVR-Bench's layout: folders of samples, and VBVR-Bench.json with the first frames in base64."""
    entries = []
    for split, letter in (("In-Domain_50", "G"), ("Out-of-Domain_50", "O")):
        for task in range(first, first + tasks):
            for index in range(each):
                below = f"{split}/{letter}-{task}_sort_things_data-generator/{index:05d}"
                prompt = (
                    f"Sort all {task} things by size, the smallest first, as sample {index} shows, keeping the rest."
                )
                seed = len(entries)
                entries.append(
                    {
                        "id": f"{seed:04d}",
                        "prompt": prompt,
                        "first_image": base64.b64encode(picture(seed)).decode(),
                        "first_frame_path": f"{below}/first_frame.png",
                        "final_frame_path": f"{below}/final_frame.png",
                        "prompt_path": f"{below}/prompt.txt",
                        "ground_truth_video_path": f"{below}/ground_truth.mp4",
                    }
                )
                if folders:
                    place = root / below
                    place.mkdir(parents=True)
                    (place / "first_frame.png").write_bytes(picture(seed))
                    (place / "final_frame.png").write_bytes(picture(seed + 1))
                    (place / "ground_truth.mp4").write_bytes(b"video")
                    (place / "prompt.txt").write_text(f"{prompt}\n")
    root.mkdir(parents=True, exist_ok=True)
    if listed:
        (root / "VBVR-Bench.json").write_text(json.dumps(entries))
    return root


def run(
    folder: Path,
    samples: Sequence[Sample],
    *,
    benchmark: str = "dreamgen",
    seeds: Sequence[int] = (0,),
    failed: Sequence[str] = (),
    pixels: bool = False,
) -> Path:
    """A run's folder with a video a sample and seed: a few bytes each, or real ones (`pixels`)."""
    videos = []
    for n, sample in enumerate(samples):
        for seed in seeds:
            path = folder / "videos" / f"{n}-{seed}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            if sample.sample_id not in failed:
                _write(path, n, seed, pixels)
            videos.append(
                VideoRecord(
                    f"{sample.sample_id}-s{seed}",
                    sample.sample_id,
                    seed,
                    f"videos/{path.name}",
                    sample.task,
                    "0" * 64,
                    sha256=hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "",
                    frames=5 if pixels else 60,
                    fps=4.0,
                    failure="refused: no prompt" if sample.sample_id in failed else "",
                )
            )
    record = RunRecord(folder.name, benchmark, "v", "task", {}, "tiny", {}, tuple(seeds), len(samples), role="executor")
    write_one(folder / "run.json", record)
    write_lines(folder / "samples.jsonl", samples)
    write_lines(folder / "manifest.jsonl", videos)
    return folder


def _write(path: Path, n: int, seed: int, pixels: bool) -> None:
    if not pixels:
        path.write_bytes(f"video {n} {seed}".encode())
        return
    import numpy as np

    from evaluation.videos import write_video

    frames = np.zeros((5, 32, 48, 3), np.uint8)
    frames[:, :, :, 0], frames[:, :, :, 1] = n * 20, np.arange(5)[:, None, None] * 40
    write_video(path, frames, 4.0)
