"""PickScore in scores and comparisons; those of other videos are refused."""

from dataclasses import replace

import numpy as np
import pytest

from evaluation.preference.pickscore_file import PICKSCORES, PickScored, write_skipped
from evaluation.records import write_lines
from evaluation.scoring.comparing import compare_runs
from evaluation.scoring.judged_run import Incomplete, load_run
from evaluation.scoring.run_scores import score


def with_pickscores(made, raw: np.ndarray, model="pickscore:0", frames=8):
    """The run's folder with a pickscore.jsonl of raw float [N, K], NaN where it failed."""
    folder = made.write()
    lines = []
    for video, value in zip(made.videos, raw.ravel(), strict=True):
        failed = {"failure": "undecodable: x"} if np.isnan(value) else {"raw": float(value), "scaled": value / 26}
        lines.append(
            PickScored(video.video_id, video.sample_id, video.sha256, model, "task", frames, (0, 15), **failed)
        )
    write_lines(folder / PICKSCORES, lines)
    return folder


def test_pickscore_is_in_scores_and_comparisons_raw_and_over_26(run_folder, drawn):
    rng = np.random.default_rng(0)
    base = rng.normal(19.7, 0.5, (30, 2))
    better = base + rng.normal(0.1, 0.05, (30, 2))
    better[0, 0] = np.nan
    first = with_pickscores(run_folder("a", drawn(13, 30, 2)), better)
    second = with_pickscores(run_folder("b", drawn(14, 30, 2)), base)
    scores = score(load_run(first))
    assert scores.pickscore.raw.value == pytest.approx(np.nanmean(better))
    assert scores.pickscore.scaled.value == pytest.approx(np.nanmean(better) / 26)
    assert (scores.pickscore.videos, scores.pickscore.frames, scores.pickscore.prompt) == (59, 8, "task")
    got = compare_runs(first, second)
    assert got.pickscore_raw.value == pytest.approx(np.nanmean(better - base))
    assert 0 < got.pickscore_raw.low < got.pickscore_raw.value < got.pickscore_raw.high
    assert got.pickscore_scaled.high == pytest.approx(got.pickscore_raw.high / 26, abs=1e-8)
    third = with_pickscores(run_folder("c", drawn(14, 30, 2)), base, frames=4)
    other = compare_runs(first, third)
    assert other.pickscore_raw is None and "different settings" in other.notes[0]


def test_pickscores_of_other_or_missing_videos_are_refused(run_folder, drawn):
    made = run_folder("a", drawn(15, 10))
    folder = with_pickscores(made, np.full((10, 1), 19.0))
    made.videos[0] = replace(made.videos[0], sha256="1" * 64)
    made.judgements = [
        replace(one, video_sha256="1" * 64) if one.video_id == made.videos[0].video_id else one
        for one in made.judgements
    ]
    made.write()
    with pytest.raises(ValueError, match="not of the manifest's video"):
        score(load_run(folder))
    whole = (folder / PICKSCORES).read_text().splitlines()
    (folder / PICKSCORES).write_text("\n".join(whole[1:]) + "\n")
    with pytest.raises(Incomplete, match="lacks 1 of 10 videos, 's0000-s0'"):
        score(load_run(folder))
    (folder / PICKSCORES).unlink()
    write_skipped(folder, "no weights")
    assert score(load_run(folder)).pickscore is None
