"""Windows of clips, labelled from their pixels: what the baseline `sft` is trained on."""

import json

import numpy as np
import pytest

from media.index import FrameIndex
from media.probe import probe
from microworld.clips import encode
from microworld.exact_judge import judge
from microworld.families import sample_tasks
from microworld.grammar import parse
from microworld.motion import STILL
from microworld.render import render_batch
from microworld.scene import sample_scene
from microworld.scripted_vlm import ScriptedVLM
from models.video.options import VideoModelOptions
from training.conditions.job import labels_of
from training.conditions.options import ConditionsOptions, SFTVideoOptions
from training.conditions.windows import Window, label_windows, read_videos, read_window, windows

MODEL = VideoModelOptions(kind="wan", path="m", frames=8, height=32, width=32, fps=4.0)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Four clips of 4 s: in each a task in the first half, nothing in the second."""
    folder = tmp_path_factory.mktemp("clips")
    made = []
    for number in range(4):
        rng = np.random.default_rng([3, number])
        scene = sample_scene(rng)
        (task,) = sample_tasks(scene.layout, rng, 1, families=("interaction",))
        acting = render_batch([scene], [task.program], 50, 96)[0]
        video = np.concatenate([acting, np.repeat(acting[-1:], 50, axis=0)])
        path = folder / f"{number}.mp4"
        path.write_bytes(encode(video, 25))
        made.append(({"clip_id": f"clip{number}", **probe(path)}, path))
    return made


def test_windows_lie_end_to_end_and_are_named_by_content_and_position(clips):
    found = windows(clips, MODEL, SFTVideoOptions(count=8))
    assert [window.id for window in found][:3] == ["clip0_00000000", "clip0_00002000", "clip1_00000000"]
    assert len(found) == 8
    assert windows(clips[::-1], MODEL, SFTVideoOptions(count=8)) == found
    assert len(windows(clips, MODEL, SFTVideoOptions(count=8, seconds=1.0))) == 16
    assert windows(clips, MODEL, SFTVideoOptions(count=8, seconds=9.0)) == []


def test_clips_whose_picture_the_crop_would_cut_have_no_windows(clips):
    wide, options = MODEL.model_copy(update={"width": 48}), SFTVideoOptions(count=8)
    assert windows(clips, wide, options, 0.3) == []
    assert len(windows(clips, wide, options, 0.34)) == 8


def test_a_window_holds_the_frames_nearest_its_times(clips):
    window = windows(clips, MODEL, SFTVideoOptions(count=8))[0]
    frames = read_window(window)
    assert frames.shape == (8, 96, 96, 3) and frames.dtype == np.uint8
    whole = Window(window.clip, window.path, 0.0, 1.96, 50)
    every = read_window(whole)
    assert (frames[0] == every[0]).all()
    assert (read_window(window, [0, 7]) == frames[[0, 7]]).all()


def labels(clips, tmp_path, count=8, vlm=None):
    options = SFTVideoOptions(count=count)
    found = windows(clips, MODEL, options)
    return label_windows(found, vlm or ScriptedVLM(), tmp_path / "journal.sqlite", options, 2)


def test_labels_say_what_the_video_shows_and_still_windows_have_none(clips, tmp_path):
    made = labels(clips, tmp_path)
    assert sorted(window.id for window, _ in made) == [f"clip{n}_00000000" for n in range(4)]
    for _, task, frames in read_videos(made):
        assert accepted(list(frames), task)


def test_no_more_than_asked_for_and_the_same_each_time(clips, tmp_path):
    made = labels(clips, tmp_path, count=2)
    assert len(made) == 2
    assert labels(clips, tmp_path / "other", count=2) == made


@pytest.mark.slow
def test_sft_learns_nothing_of_the_benchmarks_clips_and_of_held_out_combinations(
    clips, release_store, tiny_model, tmp_path, monkeypatch
):
    def labelled(source: str, place: str) -> list[tuple[str, str]]:
        block = {"model": tiny_model, "held_out": {"source": source}, "sft_videos": {"count": 8}}
        rows = [(row, str(path)) for row, path in clips]
        job = {"clips": rows, "vlm": {"workers": 0}, "journal": str(tmp_path / place), "tree": str(tree)}
        return [(window.id, task) for window, task in labels_of(ConditionsOptions(**block), job)]

    tree = release_store.published / "latest"
    ids = tree / "ids" / "bench.jsonl"
    first = json.loads(ids.read_text().splitlines()[0])
    every = labelled("bench", "a")
    assert len(every) == 4
    ids.write_text(json.dumps(first | {"clip_id": "clip1"}) + "\n")
    assert labelled("bench", "b") == [one for one in every if not one[0].startswith("clip1")]
    _, task = every[-1]
    monkeypatch.setattr(
        "training.conditions.held_out_pairs.held_out", lambda combination: combination == parse(task).combination
    )
    assert labelled("microworld", "c") == [one for one in labelled("bench", "d") if one[1] != task]


def test_a_second_run_asks_nothing_again(clips, tmp_path):
    made = labels(clips, tmp_path)

    class Silent(ScriptedVLM):
        async def complete(self, *given, **also):
            raise AssertionError("asked again")

    assert labels(clips, tmp_path, vlm=Silent()) == made


def test_a_still_or_foreign_video_has_no_label():
    from microworld.labelling import label_video

    scene = sample_scene(np.random.default_rng(1))
    assert label_video(list(render_batch([scene], [STILL], 4, 64)[0])) == ""
    assert label_video(list(np.random.default_rng(0).integers(0, 255, (3, 64, 64, 3), np.uint8))) == ""
    with pytest.raises(ValueError, match="1 frames"):
        label_video([np.zeros((64, 64, 3), np.uint8)])


@pytest.mark.parametrize("seed", range(6))
def test_what_the_judge_accepts_as_done_gets_a_label_that_it_accepts_too(seed):
    from microworld.labelling import label_video

    rng = np.random.default_rng([9, seed])
    scene = sample_scene(rng)
    for task in sample_tasks(scene.layout, rng, 2):
        video = list(render_batch([scene], [task.program], 8, 64)[0])
        label = label_video(video)
        assert accepted(video, label) if accepted(video, task.text) else label == "" or accepted(video, label)


def accepted(video: list[np.ndarray], task: str) -> bool:
    verdict = judge(video, task)
    return min(verdict.task, verdict.agent, verdict.consistency) > 0


def test_no_window_runs_over_a_cut(clips):
    (row, path), *_ = clips
    index = FrameIndex.from_row(row)
    cut = row | {"cut_pts": [int(index.pts[40])]}  # at 1.6 s of 4 s
    found = windows([(cut, path)], MODEL, SFTVideoOptions(count=8, seconds=1.0))
    assert [window.start_s for window in found] == [0.0, 1.6, 2.6]
    for window in found:
        before = [time < 1.6 - 1e-6 for time in map(float, window.times_s(range(window.frames)))]
        assert all(before) or not any(before)
    assert windows([(cut, path)], MODEL, SFTVideoOptions(count=8, seconds=3.0)) == []
    assert len(windows([(row | {"cut_pts": []}, path)], MODEL, SFTVideoOptions(count=8, seconds=1.0))) == 4
