"""The quality stage's cost per frame, against a bare Laplacian on the same luma.

    python tests/bench/bench_quality.py [--quick]

Wanted: all five numbers in at most 1.5 times the bare 16-bit Laplacian with meanStdDev. Every variant is timed in turn
in each round, so that a busy neighbour hits them alike; the table shows medians. One OpenCV thread.
"""

import argparse
import hashlib
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from machine import machine

from curation.quality.filter import QualityOptions, filter_frames
from curation.quality.measure import at_working_size, decode_luma, measure, perceptual_hash

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
WANTED = 1.5


def texture() -> np.ndarray:
    """A 720p picture, uint8 [720, 1280, 3], with a photograph's falling spectrum and sensor noise."""
    rng = np.random.default_rng(0)
    picture = np.zeros((720, 1280, 3), np.float32)
    for sigma in (1, 3, 9, 27, 81):
        layer = cv2.GaussianBlur(rng.normal(size=picture.shape).astype(np.float32), (0, 0), sigma)
        picture += layer / layer.std() * sigma**0.5
    return np.clip(120 + 45 * picture / picture.std() + rng.normal(0, 2, picture.shape), 0, 255).astype(np.uint8)


def pictures() -> dict[str, np.ndarray]:
    """Name -> BGR picture; real ones where the shared inputs are present."""
    found = {"synthetic texture": texture()}
    image = SHARED / "worldtasks_images" / "100_4.png"
    if image.is_file():
        found["real still (authors' image)"] = cv2.resize(cv2.imread(str(image)), (1280, 720))
    clip = SHARED / "scene_clips" / "wild" / "cosmoscurate_clip_10s.mp4"
    if clip.is_file():
        capture = cv2.VideoCapture(str(clip))
        found["real video frame, scaled to 720p"] = cv2.resize(capture.read()[1], (1280, 720))
        capture.release()
    return found


def bare(luma: np.ndarray) -> None:
    cv2.meanStdDev(cv2.Laplacian(luma, cv2.CV_16S))


def one_histogram(luma: np.ndarray) -> None:
    """The obvious way: the bare Laplacian and one histogram for everything else."""
    bare(luma)
    counts = cv2.calcHist([luma], [0], None, [256], [0, 256]).ravel()
    levels = np.arange(256)
    mean = counts @ levels / luma.size
    _ = (mean, (counts @ (levels - mean) ** 2 / luma.size) ** 0.5, counts[:17].sum(), counts[239:].sum())


def float64(luma: np.ndarray) -> None:
    cv2.Laplacian(luma, cv2.CV_64F).var()
    _ = (luma.mean(), luma.std(), (luma <= 16).mean(), (luma >= 239).mean())


def medians_ms(variants: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    taken: dict[str, list[float]] = {name: [] for name in variants}
    for run in range(repeats + 1):
        for name, call in variants.items():
            start = time.perf_counter()
            call()
            if run:  # the first round warms up
                taken[name].append(1000 * (time.perf_counter() - start))
    return {name: statistics.median(times) for name, times in taken.items()}


def one_frame(name: str, picture: np.ndarray, repeats: int) -> float:
    """Prints the table of one picture and returns how many times the bare Laplacian `measure` takes."""
    jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    luma = decode_luma(jpeg)
    large = cv2.resize(luma, (1920, 1080))
    variants = {
        "bare: Laplacian CV_16S + meanStdDev": lambda: bare(luma),
        "**measure: all five numbers**": lambda: measure(luma),
        "bare + one histogram for the other four": lambda: one_histogram(luma),
        "float64 Laplacian and numpy": lambda: float64(luma),
        "perceptual_hash": lambda: perceptual_hash(luma),
        "decode_luma (JPEG q95)": lambda: decode_luma(jpeg),
        "at_working_size from 1080p": lambda: at_working_size(large),
    }
    times = medians_ms(variants, repeats)
    base = next(iter(times.values()))
    print(f"\n{name}: {measure(luma)}\n\n| step, 1280x720 | ms | x bare |\n|---|---:|---:|")
    for step, ms in times.items():
        print(f"| {step} | {ms:.3f} | {ms / base:.2f} |")
    return times["**measure: all five numbers**"] / base


def whole_stage(picture: np.ndarray, frames: int, repeats: int) -> None:
    """Prints frames a second of `filter_frames`: read, hash, decode, measure, perceptual hash."""
    jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    row = {
        "clip_id": "c",
        "seconds": 0.0,
        "image_sha256": hashlib.sha256(jpeg).hexdigest(),
        "width": 1280,
        "height": 720,
    }
    print(f"\nThe stage on {frames} JPEG files of {len(jpeg) // 1000} kB\n")
    print("| workers | frames/s | ms a frame |\n|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        rows = [row | {"frame_id": f"c_{i:08d}", "image": f"{i}.jpg"} for i in range(frames)]
        for each in rows:
            (Path(folder) / each["image"]).write_bytes(jpeg)
        for workers in (1, 2):
            stage = {"run": lambda n=workers: list(filter_frames(rows, Path(folder), QualityOptions(), n))}
            ms = medians_ms(stage, repeats)["run"]
            print(f"| {workers} | {1000 * frames / ms:.0f} | {ms / frames:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    quick = parser.parse_args().quick
    cv2.setNumThreads(1)
    print(f"## Quality\n\n{machine('opencv-python-headless', 'numpy')}; 1 OpenCV thread")
    ratios = [one_frame(name, picture, 15 if quick else 101) for name, picture in pictures().items()]
    whole_stage(texture(), 20 if quick else 100, 1 if quick else 3)
    print(f"\nWorst ratio {max(ratios):.2f}, wanted at most {WANTED}: {'met' if max(ratios) <= WANTED else 'MISSED'}")


if __name__ == "__main__":
    main()
