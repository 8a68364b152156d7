"""PickScore by hand on a tiny CLIP of the real class; runs scored, resumed after a kill, left out without weights."""

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from evaluation.preference.options import PickScoreOptions
from evaluation.preference.pickscore import JOURNAL, pickscore_run, pickscore_runs
from evaluation.preference.pickscore_file import PICKSCORES, SKIPPED, PickScored, read_skipped
from evaluation.records import read_lines
from evaluation.scoring.judged_run import load_run
from evaluation.scoring.run_scores import score
from evaluation.videos import read_frames, write_video
from models.pickscore import PickScore, WeightsAbsent
from models.vlm.frames import frame_indices
from storage.files import sha256_file
from storage.journal import Journal
from tests.evaluation.preference import tiny_clip


@pytest.fixture(scope="session")
def clip(tmp_path_factory) -> Path:
    return tiny_clip.build(tmp_path_factory.mktemp("clip") / "tiny")


@pytest.fixture(scope="session")
def scorer(clip) -> PickScore:
    return PickScore(str(clip), "", device="cpu", batch_size=3)


@pytest.fixture
def filmed(run_folder, drawn):
    """A written run of N samples whose videos are there: (RunFolder, folder)."""

    def make(count: int = 3):
        made = run_folder("filmed", drawn(0, count))
        for n in range(count):
            film(made, n, n)
        return made, made.write()

    return make


def film(made, place: int, seed: int) -> None:
    """Writes the video at `place` with frames of `seed`; manifest and judgements follow."""
    frames = np.random.default_rng(seed).integers(0, 255, (16, 32, 32, 3), dtype=np.uint8)
    video = made.videos[place]
    write_video(made.folder / video.path, frames, 8.0)
    made.videos[place] = replace(video, sha256=sha256_file(made.folder / video.path))
    for n, one in enumerate(made.judgements):
        if one.video_id == video.video_id:
            made.judgements[n] = replace(one, video_sha256=made.videos[place].sha256)


class Counting:
    """A scorer that scores the first pixel and counts; slow where a test kills it."""

    name = "counting"

    def __init__(self, wait_s: float = 0.0):
        self.asked, self.wait_s = [], wait_s

    def score(self, frames, prompt):
        self.asked.append((len(frames), prompt))
        time.sleep(self.wait_s)
        return frames[:, 0, 0, 0].astype(float)

    def tokens(self, prompt):
        return 78 if "place 1" in prompt else 5


def pictures(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (count, 40, 60, 3), dtype=np.uint8)


@pytest.mark.parametrize("prompt", ["[Red disc]: Move left.", "x " * 200])
def test_a_score_is_the_scaled_cosine_of_the_two_embeddings(clip, scorer, prompt):
    import torch
    from transformers import CLIPModel, CLIPProcessor

    frames = pictures(0, 5)
    model, processor = CLIPModel.from_pretrained(clip).eval(), CLIPProcessor.from_pretrained(clip)
    images = torch.stack([processor(images=frame, return_tensors="pt")["pixel_values"][0] for frame in frames])
    ids = processor.tokenizer(prompt)["input_ids"]
    ids = torch.tensor([ids if len(ids) <= 77 else [*ids[:76], ids[-1]]])
    with torch.no_grad():
        seen = model.visual_projection(model.vision_model(pixel_values=images).pooler_output).double().numpy()
        said = model.text_projection(model.text_model(input_ids=ids).pooler_output).double().numpy()[0]
        scale = float(model.logit_scale.exp())
    cosine = seen @ said / np.linalg.norm(seen, axis=1) / np.linalg.norm(said)
    assert scorer.score(frames, prompt) == pytest.approx(scale * cosine, abs=2e-4)
    assert scale == pytest.approx(100, rel=1e-3)


def test_a_frame_scores_the_same_in_any_batch(scorer):
    frames = pictures(1, 7)
    together = scorer.score(frames, "go")
    assert together == pytest.approx([scorer.score(frames[n : n + 1], "go")[0] for n in range(7)], abs=1e-3)
    assert (scorer.score(frames, "go") == together).all()


def test_the_name_changes_with_the_weights(clip, scorer, tmp_path):
    import shutil

    from safetensors.numpy import load_file, save_file

    assert PickScore(str(clip), "").name == scorer.name
    other = Path(shutil.copytree(clip, tmp_path / "other"))
    weights = load_file(other / "model.safetensors")
    weights["logit_scale"] = np.asarray(weights["logit_scale"] + 1)
    save_file(weights, other / "model.safetensors", {"format": "pt"})
    assert PickScore(str(other), "").name != scorer.name
    del weights["text_projection.weight"]
    save_file(weights, other / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match="text_projection"):
        PickScore(str(other), "")
    (other / "model.safetensors").write_bytes((other / "model.safetensors").read_bytes()[:-10])
    with pytest.raises(ValueError, match="Fetch it again"):
        PickScore(str(other), "")
    (other / "model.safetensors").rename(other / "pytorch_model.bin")
    with pytest.raises(FileNotFoundError, match="could run code"):
        PickScore(str(other), "")


def test_other_frames_are_refused(scorer):
    for frames in (pictures(0, 1)[0], pictures(0, 1).astype(float), pictures(0, 1)[:0]):
        with pytest.raises(ValueError, match="uint8"):
            scorer.score(frames, "go")


def test_absent_weights_are_named_with_what_would_help(tmp_path):
    with pytest.raises(WeightsAbsent, match="no folder"):
        PickScore(str(tmp_path / "nowhere"))
    with pytest.raises(WeightsAbsent, match=r"not in the Hub's cache here: give a folder"):
        PickScore("nobody/has-this-model")


def test_a_run_is_scored_over_its_stated_frames(filmed, clip, scorer):
    made, folder = filmed()
    (path,) = pickscore_runs(PickScoreOptions(runs=(str(folder),), weights=str(clip), processor="", frames=4))
    lines = list(read_lines(path, PickScored))
    for video, sample, line in zip(made.videos, made.samples, lines, strict=True):
        assert line.frames == frame_indices(16, 4) and (line.prompt, line.wanted, line.cut) == ("task", 4, False)
        frames = read_frames(folder / video.path)[list(line.frames)]
        assert line.raw == pytest.approx(scorer.score(frames, sample.task).mean(), abs=1e-3)
        assert line.scaled == line.raw / 26
    scores = score(load_run(folder))
    assert scores.pickscore.model == scorer.name
    assert scores.pickscore.raw.value == pytest.approx(np.mean([line.raw for line in lines]), abs=1e-6)


def test_a_finished_run_is_not_scored_again_a_changed_video_is(filmed):
    made, folder = filmed()
    first = Counting()
    path = pickscore_run(folder, first, 4, "task")
    whole = path.read_bytes()
    assert first.asked == [(4, sample.task) for sample in made.samples]
    again = Counting()
    assert pickscore_run(folder, again, 4, "task").read_bytes() == whole and not again.asked
    film(made, 1, 9)
    made.write()
    changed = Counting()
    pickscore_run(folder, changed, 4, "task")
    assert changed.asked == [(4, made.samples[1].task)]
    under_d = Counting()
    pickscore_run(folder, under_d, 4, "solution")
    assert [prompt for _, prompt in under_d.asked] == ["It glides."] * 3
    assert [line.cut for line in read_lines(path, PickScored)] == [False] * 3


def test_long_prompts_are_marked_and_broken_videos_kept_as_failures(filmed):
    made, folder = filmed()
    broken = folder / made.videos[0].path
    broken.write_bytes(b"no video")
    made.videos[0] = replace(made.videos[0], sha256=sha256_file(broken))
    made.videos[2] = replace(made.videos[2], failure="image unreadable")
    made.write()
    lines = list(read_lines(pickscore_run(folder, Counting(), 4, "task"), PickScored))
    assert lines[0].failure.startswith("undecodable") and lines[0].raw is None
    assert lines[1].cut and lines[1].raw is not None
    assert lines[2].failure == "no video: image unreadable"


def test_a_file_that_is_back_is_scored_and_one_that_is_not_the_manifests_never(filmed):
    made, folder = filmed(2)
    first, second = (folder / video.path for video in made.videos)
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.rename(folder / "aside.mp4")
    lines = list(read_lines(pickscore_run(folder, Counting(), 4, "task"), PickScored))
    assert [line.raw for line in lines] == [None, None]
    assert "SHA-256" in lines[0].failure and "No such file" in lines[1].failure
    first.write_bytes(kept)
    (folder / "aside.mp4").rename(second)
    lines = list(read_lines(pickscore_run(folder, Counting(), 4, "task"), PickScored))
    assert all(line.raw is not None and not line.failure for line in lines)


def test_a_video_outside_the_run_s_folder_is_not_read(filmed):
    made, folder = filmed()
    made.videos[0] = replace(made.videos[0], path="../elsewhere.mp4")
    made.write()
    with pytest.raises(ValueError, match="leaves"):
        pickscore_run(folder, Counting(), 4, "task")


def test_samples_without_the_text_are_named(filmed):
    made, folder = filmed()
    made.samples[1] = replace(made.samples[1], solution="")
    made.write()
    with pytest.raises(ValueError, match=r"1 samples \(s0001 \.\.\.\) have no solution"):
        pickscore_run(folder, Counting(), 4, "solution")


@pytest.mark.slow
def test_a_killed_run_loses_no_finished_video(filmed, repository):
    _, folder = filmed(6)
    code = (
        "import sys; from pathlib import Path\n"
        "from tests.evaluation.preference.test_pickscore import Counting, pickscore_run\n"
        "pickscore_run(Path(sys.argv[1]), Counting(0.5), 4, 'task')"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(folder)], cwd=repository, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 120
        while not (folder / JOURNAL).exists() or not finished(folder):
            assert child.poll() is None and time.monotonic() < until
            time.sleep(0.05)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    done = finished(folder)
    assert 1 <= done < 6 and not (folder / PICKSCORES).exists()
    scorer = Counting()
    pickscore_run(folder, scorer, 4, "task")
    assert len(scorer.asked) == 6 - done
    assert len(list(read_lines(folder / PICKSCORES, PickScored))) == 6


def finished(folder: Path) -> int:
    with Journal(folder / JOURNAL) as journal:
        return len(journal)


def test_the_command_leaves_pickscore_out_with_a_reason_when_weights_are_absent(filmed, tmp_path, repository):
    _, folder = filmed()
    (folder / PICKSCORES).write_text("old")
    options = tmp_path / "options.yaml"
    options.write_text(yaml.safe_dump({"runs": [str(folder)], "weights": str(tmp_path / "nowhere")}))
    command = [sys.executable, "-m", "evaluation.preference", "--config", str(options)]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "PickScore is left out: no folder" in done.stderr
    assert "no folder" in read_skipped(folder) and not (folder / PICKSCORES).exists()
    assert score(load_run(folder)).pickscore is None
    pickscore_run(folder, Counting(), 4, "task")
    assert not (folder / SKIPPED).exists()
