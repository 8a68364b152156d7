"""The low-level image filter: frames in, measured frames with a verdict out."""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, fields
from itertools import islice
from pathlib import Path

import cv2

from curation.frame_files import read_frame
from curation.quality.measure import Quality, UnreadableImage, at_working_size, decode_luma, measure, perceptual_hash
from curation.quality.options import QualityOptions
from curation.quality_metrics import RULES
from curation.schemas import FRAME
from storage.tables import KEPT, REJECTED

UNMEASURED = {"phash": "", **dict.fromkeys((field.name for field in fields(Quality)), None)}
QUEUED_PER_WORKER = 4


def verdict(quality: Quality, options: QualityOptions) -> tuple[str, str]:
    """(reason, detail) of the first rule that fails, ("", "") when none does.

    Needs no pixels, so that other thresholds can be tried on a finished table.
    """
    for rule in RULES:
        value, limit = getattr(quality, rule.column), getattr(options, rule.option)
        if value < limit if rule.sign == "<" else value > limit:
            return rule.reason, f"{rule.column} {value:.6g} {rule.sign} {limit}"
    return "", ""


def filter_frames(
    frames: Iterable[dict], images_root: Path, options: QualityOptions, workers: int | None = None
) -> Iterator[dict]:
    """Measures each frame's JPEG and judges it: rows of curation.schemas.QUALITY, in the order of `frames`.

    `frames` are kept rows of curation.schemas.FRAMES, with `image` relative to `images_root`. `workers` threads
    (default: the CPUs) decode and measure, since OpenCV works without the GIL; the rows do not depend on how many.
    Memory is that of a few frames a worker, however many rows come.

    A picture that OpenCV cannot decode is rejected as unreadable_image. Raises what `read_frame` raises for one that is
    not there or not the one that its row names: a truncated JPEG often still decodes.
    """
    workers = workers or os.cpu_count() or 1
    frames = iter(frames)
    # One OpenCV thread for each of ours: its own pool below ours only adds contention. The setting is the process's.
    with ThreadPoolExecutor(workers, "quality", initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        pending = deque(
            pool.submit(_judge, frame, images_root, options) for frame in islice(frames, workers * QUEUED_PER_WORKER)
        )
        while pending:
            row = pending.popleft().result()
            pending.extend(pool.submit(_judge, frame, images_root, options) for frame in islice(frames, 1))
            yield row


def _judge(frame: dict, images_root: Path, options: QualityOptions) -> dict:
    row = {name: frame[name] for name, _ in FRAME}
    data = read_frame(images_root, frame)
    try:
        luma = at_working_size(decode_luma(data))
    except UnreadableImage as error:
        return row | UNMEASURED | {"status": REJECTED, "reason": "unreadable_image", "detail": str(error)}
    quality = measure(luma)
    reason, detail = verdict(quality, options)
    measured = {"phash": perceptual_hash(luma), **asdict(quality)}
    return row | measured | {"status": REJECTED if reason else KEPT, "reason": reason, "detail": detail}
