"""PickScore over the videos of a run, one journal record a video: a killed run repeats no finished one."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from evaluation.judging.looking import Undecodable, verified
from evaluation.preference.options import PickScoreOptions
from evaluation.preference.pickscore_file import PICKSCORES, SKIPPED, PickScored, write_skipped
from evaluation.records import MANIFEST, RUN, SAMPLES, RunRecord, Sample, VideoRecord, read_lines, read_one, write_lines
from evaluation.videos import BadVideo, read_frames
from models.pickscore import SCALE, TOKENS, PickScore, WeightsAbsent
from models.vlm.frames import frame_indices
from storage.files import exclusive, sha256_bytes
from storage.journal import Journal

JOURNAL, LOCK = "pickscore.journal", ".pickscore.lock"


class Scorer(Protocol):
    """models.pickscore.PickScore, as far as it is asked."""

    name: str

    def score(self, frames: np.ndarray, prompt: str) -> np.ndarray: ...
    def tokens(self, prompt: str) -> int: ...


def pickscore_runs(options: PickScoreOptions) -> list[Path]:
    """Writes pickscore.jsonl into every run's folder and returns the files' paths; none when the weights are absent.

    Absent weights are no error: each folder gets pickscore_skipped.json with the reason. Raises FileNotFoundError for a
    folder without run.json, ValueError for damaged records.
    """
    folders = [Path(run) for run in options.runs]
    for folder in folders:
        read_one(folder / RUN, RunRecord)
    try:
        scorer = PickScore(
            options.weights,
            options.processor,
            download=options.download,
            device=None if options.device == "auto" else options.device,
            batch_size=options.batch,
        )
    except WeightsAbsent as absent:
        print(f"PickScore is left out: {absent}", file=sys.stderr, flush=True)
        for folder in folders:
            (folder / PICKSCORES).unlink(missing_ok=True)
            write_skipped(folder, str(absent))
        return []
    return [pickscore_run(folder, scorer, options.frames, options.prompt) for folder in folders]


def pickscore_run(folder: Path, scorer: Scorer, frames: int, prompt: Literal["task", "solution"]) -> Path:
    """Scores every video of one run and replaces its pickscore.jsonl.

    A video that cannot be scored is a failure in it, and looked at again by the next call.
    """
    texts = {one.sample_id: getattr(one, prompt) for one in read_lines(folder / SAMPLES, Sample)}
    videos = list(read_lines(folder / MANIFEST, VideoRecord))
    missing = sorted({video.sample_id for video in videos if not texts.get(video.sample_id)})
    if missing:
        raise ValueError(
            f"{folder / SAMPLES}: {len(missing)} samples ({', '.join(missing[:5])} ...) have no {prompt} to score "
            "their videos by"
        )
    made: list[PickScored] = []
    with exclusive(folder / LOCK), Journal(folder / JOURNAL) as journal:
        for number, video in enumerate(videos, 1):
            text = texts[video.sample_id]
            key = sha256_bytes("\0".join((scorer.name, prompt, str(frames), text, video.sha256)).encode())
            known = None if video.failure else journal.get(key)
            if known is None:
                known = _scored(folder, video, scorer, text, frames)
                if "failure" not in known:
                    journal.put(key, known)
            made.append(_record(video, scorer.name, prompt, frames, known))
            if number % 25 == 0 or number == len(videos):
                print(f"{folder.name}: PickScore of {number} of {len(videos)} videos", file=sys.stderr, flush=True)
        write_lines(folder / PICKSCORES, made)
        (folder / SKIPPED).unlink(missing_ok=True)
    return folder / PICKSCORES


def _scored(folder: Path, video: VideoRecord, scorer: Scorer, text: str, frames: int) -> dict:
    """What the journal keeps, the mean raw score over the frames shown; or a failure."""
    if video.failure:
        return {"failure": f"no video: {video.failure}"}
    try:
        path = verified(folder, video)
        pixels = read_frames(path, video.frames or None)
    except Undecodable as error:
        return {"failure": f"undecodable: {error}"}
    except BadVideo as error:
        return {"failure": str(error).replace(str(path), video.path)}
    shown: Sequence[int] = frame_indices(len(pixels), frames)
    raw = float(scorer.score(pixels[list(shown)], text).mean())
    return {"frames": list(shown), "raw": raw, "cut": scorer.tokens(text) > TOKENS}


def _record(video: VideoRecord, model: str, prompt: str, wanted: int, known: dict) -> PickScored:
    identity = (video.video_id, video.sample_id, video.sha256, model, prompt, wanted)
    if "failure" in known:
        return PickScored(*identity, failure=known["failure"])
    return PickScored(*identity, tuple(known["frames"]), known["cut"], known["raw"], known["raw"] / SCALE)
