"""The same job with real classes of a real model family and of a real judge, on first frames of real clips.

Weights are tiny and random: what is held here is that everything fits together, not that any score means anything.
"""

import json

import cv2
import pytest

from evaluation.records import JUDGEMENTS, Judgement, read_lines
from evaluation.videos import read_frames
from tests.assets.evaluation.conftest import event_of
from tests.models.video import tiny_video
from tests.models.vlm import tiny_qwen

pytestmark = pytest.mark.slow

NOTE = "Tiny random weights: this shows that the parts fit together, and nothing else."


def test_ltx2_and_a_qwen_judge_go_from_real_first_frames_to_the_report(fresh, run_job, shared_data, tmp_path):
    clips = sorted((shared_data / "scene_clips" / "pairs" / "base").glob("*.mp4"))[:2]
    images = tmp_path / "bench" / "bench" / "images"
    images.mkdir(parents=True)
    lines = []
    for number, clip in enumerate(clips):
        cv2.imwrite(str(images / f"{number}_1.png"), read_frames(clip)[0][:, :, ::-1])
        lines.append(json.dumps({"id": f"{number}_1", "image": f"images/{number}_1.png", "task": f"[It]: {clip.stem}"}))
    (tmp_path / "bench" / "bench" / "bench.jsonl").write_text("\n".join(lines))
    model = tiny_video.options_for("ltx2", tiny_video.BUILDERS["ltx2"](tmp_path / "checkpoint"))
    qwen = tiny_qwen.build(tmp_path / "qwen", "qwen3_vl")
    recipe = fresh.changed(
        "generated_videos",
        benchmark={"authors": {"path": str(tmp_path / "bench")}},
        model=model,
        runs=[{"name": "base", "role": "base", "notes": [NOTE]}],
    )
    recipe["ops"]["judgements"]["config"] = {
        # Random weights put little mass on yes and no.
        "vlm": {"backend": "transformers", "model": str(qwen), "device": "cpu", "min_mass": 0.0}
    }
    result = run_job(recipe)
    assert result.success
    judged = list(read_lines(fresh.folder("base") / JUDGEMENTS, Judgement))
    assert len(judged) == 2 * 3 and all(one.log_odds is not None and not one.failure for one in judged)
    assert event_of(result, "scores", "base").metadata["run record"].value["notes"] == [NOTE]
    assert NOTE in fresh.page.read_text()
