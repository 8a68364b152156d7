"""What was encoded once comes back as it was, and conditions of anything else are refused by name."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.video.pixels import fit
from models.video.protocol import Condition, VideoShape
from training.conditions.encoding import write_conditions
from training.conditions.store import ConditionStore, DamagedConditions, Pair, StaleConditions

IMAGES = {"a/../b": (40, 50), "c|d": (32, 32), "\u2028e\n": (20, 90)}


def picture(image_id: str, frames: int | None = None) -> np.ndarray:
    shape = (*([frames] if frames else []), *IMAGES.get(image_id, (32, 32)), 3)
    return np.random.default_rng(len(image_id)).integers(0, 256, shape, dtype=np.uint8)


def pair(number: int, image_id: str, task: str = "[Disc]: go to the ring.", solution: str = "") -> Pair:
    solution = solution or f"the red disc glides right {number} cells until it rests"
    return Pair(f"p{number}", image_id, task, solution, "movement", "object", "Disc")


SPLITS = {
    "train": [pair(2, "c|d"), pair(1, "a/../b", "[Ring]: touch the\u2028disc."), pair(3, "c|d")],
    "test": [pair(4, "\u2028e\n", solution="same solution \u0085 as text")],
}
CLIPS = [("clip 1", "[Disc]: go to the ring.", picture("clip 1", 8)), ("clip/2", "[Cell]: stay.", picture("clip/2", 8))]


@pytest.fixture
def written(tiny_wan, tmp_path: Path) -> Path:
    write_conditions(tiny_wan, SPLITS, picture, tmp_path / "it", dataset_version="v1", batch=2, videos=CLIPS)
    return tmp_path / "it"


def same(left: Condition, right: Condition) -> bool:
    return left.tensors.keys() == right.tensors.keys() and all(
        torch.equal(tensor, right.tensors[name]) and tensor.dtype == right.tensors[name].dtype
        for name, tensor in left.tensors.items()
    )


def encoded(model, pairs: list[Pair], texts: list[str]) -> Condition:
    """What the model gives when each pair is encoded alone."""
    images = [model.encode_image(torch.from_numpy(fit(picture(p.image_id), model.shape))[None]) for p in pairs]
    return Condition.cat(images) | Condition.cat([model.encode_prompt([text]) for text in texts])


def test_conditions_come_back_as_the_model_encoded_them(tiny_wan, written: Path):
    store = ConditionStore(written, identity=tiny_wan.identity, dataset_version="v1")
    assert store.splits() == {"train": 3, "test": 1}
    for split, pairs in SPLITS.items():
        assert store.pairs(split) == pairs
        assert same(store.executor(pairs), encoded(tiny_wan, pairs, [p.task for p in pairs]))
        assert same(store.demonstrator(pairs), encoded(tiny_wan, pairs, [p.solution for p in pairs]))
    again = [SPLITS["train"][0], SPLITS["test"][0], SPLITS["train"][0]]
    assert same(store.executor(again), store.executor(again[:2]).take([0, 1, 0]))


def test_videos_come_back_with_their_first_frames_and_tasks(tiny_wan, written: Path):
    store = ConditionStore(written)
    assert store.videos() == [("clip 1", "[Disc]: go to the ring."), ("clip/2", "[Cell]: stay.")]
    frames = torch.from_numpy(CLIPS[1][2])[None]
    assert torch.equal(store.video_states(["clip/2"]), tiny_wan.encode_video(frames))
    wanted = tiny_wan.encode_image(frames[:, 0]) | tiny_wan.encode_prompt(["[Cell]: stay."])
    assert same(store.video_conditions(["clip/2"]), wanted)


def test_the_same_input_gives_the_same_bytes_and_each_text_is_kept_once(tiny_wan, written: Path, tmp_path: Path):
    first = write_conditions(tiny_wan, SPLITS, picture, tmp_path / "b", dataset_version="v1", batch=2, videos=CLIPS)
    for file in written.iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes(), file.name
    assert (first.images, first.prompts, first.videos, first.pairs) == (3, 7, 2, {"train": 3, "test": 1})
    other = write_conditions(
        tiny_wan, {name: pairs[::-1] for name, pairs in SPLITS.items()}, picture, tmp_path / "c", dataset_version="v1",
        batch=2, videos=CLIPS,
    )  # fmt: skip
    assert other.sha256 != first.sha256, "the order of pairs is kept, and so told by the hash"
    for kind in ("images", "prompts"):  # but what is encoded does not depend on it
        shard = f"{kind}-00000.safetensors"
        assert (tmp_path / "c" / shard).read_bytes() == (written / shard).read_bytes()


def test_small_shards_hold_the_same(tiny_wan, written: Path, tmp_path: Path):
    write_conditions(tiny_wan, SPLITS, picture, tmp_path / "b", dataset_version="v1", batch=2, shard_bytes=1)
    assert len(list((tmp_path / "b").glob("images-*.safetensors"))) == 3
    assert same(
        ConditionStore(tmp_path / "b").executor(SPLITS["train"]), ConditionStore(written).executor(SPLITS["train"])
    )


def test_prompts_are_stored_without_the_zeros_behind_them(tiny_wan, written: Path):
    size = (written / "prompts-00000.safetensors").stat().st_size
    assert size < 0.8 * 7 * 24 * 96 * 4
    assert ConditionStore(written).executor(SPLITS["train"]).tensors["prompt"].shape == (3, 24, 96)


class OddPrompts:
    """Wraps a model: bfloat16 embeddings that are zero in the middle, an all-zero one, a mask and a number beside."""

    def __init__(self, model):
        self.model, self.shape, self.identity, self.encode_image = (
            model,
            model.shape,
            model.identity,
            model.encode_image,
        )

    def encode_prompt(self, prompts) -> Condition:
        hidden = torch.zeros(len(prompts), 6, 2, dtype=torch.bfloat16)
        for row, prompt in zip(hidden, prompts, strict=True):
            if "same" not in prompt:
                row[0], row[3] = -0.0, len(prompt)
        mask = hidden.ne(0).any(-1)
        return Condition({"hidden": hidden, "mask": mask, "length": hidden.float().sum((1, 2))})


def test_any_embeddings_survive_trimming(tiny_wan, tmp_path: Path):
    odd = OddPrompts(tiny_wan)
    write_conditions(odd, SPLITS, picture, tmp_path / "b", dataset_version="v1")
    store, pairs = ConditionStore(tmp_path / "b"), SPLITS["train"] + SPLITS["test"]
    assert same(store.demonstrator(pairs), encoded(odd, pairs, [p.solution for p in pairs]))


def test_conditions_of_another_model_or_dataset_are_refused_with_the_remedy(written: Path):
    with pytest.raises(StaleConditions, match=r"wan:0123456789abcdef.*the run needs 'ltx2:ff'.*`conditions`"):
        ConditionStore(written, identity="ltx2:ff")
    with pytest.raises(StaleConditions, match=r"dataset version 'v1', but the run needs 'v2'.*`conditions`"):
        ConditionStore(written, identity="wan:0123456789abcdef", dataset_version="v2")
    manifest = json.loads((written / "manifest.json").read_text())
    (written / "manifest.json").write_text(json.dumps({**manifest, "format": 0}))
    with pytest.raises(StaleConditions, match="format 0"):
        ConditionStore(written)
    with pytest.raises(FileNotFoundError, match="materialise the asset `conditions`"):
        ConditionStore(written.parent)


def test_every_damaged_file_is_named(written: Path):
    for file in sorted(written.iterdir()):
        data = file.read_bytes()
        cut, flipped = data[:-1], data[:-1] + bytes([data[-1] ^ 1])
        for damaged in (cut, flipped) if file.name != "manifest.json" else (cut[:-2],):
            file.write_bytes(damaged)
            with pytest.raises(DamagedConditions, match=file.name.replace(".", r"\.")):
                ConditionStore(written)
        file.unlink()
        with pytest.raises((DamagedConditions, FileNotFoundError), match=file.name.replace(".", r"\.")):
            ConditionStore(written)
        file.write_bytes(data)
    ConditionStore(written)


@pytest.mark.parametrize("name", ["../secret.jsonl", "/etc/passwd", "images-00000.pt"])
def test_a_manifest_cannot_name_files_of_others(written: Path, name: str):
    manifest = json.loads((written / "manifest.json").read_text())
    manifest["files"][name] = {"bytes": 1, "sha256": ""}
    (written / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DamagedConditions, match="not a file of conditions"):
        ConditionStore(written)


def test_what_is_not_there_is_named(written: Path):
    store = ConditionStore(written)
    with pytest.raises(KeyError, match=r"split 'dev'.*'test', 'train'"):
        store.pairs("dev")
    with pytest.raises(KeyError, match="the text 'another task'"):
        store.executor([replace(SPLITS["test"][0], task="another task")])
    with pytest.raises(KeyError, match="image of 'nowhere'"):
        store.executor([replace(SPLITS["test"][0], image_id="nowhere")])


def test_a_failed_write_leaves_the_old_conditions_in_place(tiny_wan, written: Path):
    def breaks(image_id: str) -> np.ndarray:
        if image_id == "c|d":
            raise OSError("no such picture")
        return picture(image_id)

    before = {file.name: file.read_bytes() for file in written.iterdir()}
    with pytest.raises(OSError, match="no such picture"):
        write_conditions(tiny_wan, SPLITS, breaks, written, dataset_version="v2", batch=1)
    assert {file.name: file.read_bytes() for file in written.iterdir()} == before
    assert [path.name for path in written.parent.iterdir()] == ["it"]
    write_conditions(tiny_wan, SPLITS, picture, written, dataset_version="v2")
    assert ConditionStore(written, dataset_version="v2").videos() == []


@pytest.mark.parametrize(
    ("splits", "image", "message"),
    [
        ({}, picture("c|d"), "no task-solution pairs"),
        ({"train": [pair(1, "x")], "test": [pair(1, "x")]}, picture("c|d"), "'p1' is in train and again in test"),
        ({"train": [pair(1, "x", "  ")]}, picture("c|d"), "pair 'p1' of train: task must not be empty"),
        (
            {"train": [pair(1, "x")]},
            picture("c|d")[..., 0],
            r"image 'x' is uint8 \[32, 32\]: it must be uint8 \[H, W, 3\]",
        ),
        ({"train": [pair(1, "x")]}, picture("c|d") / 255, "image 'x' is float64"),
        ({"train": [pair(1, "x")]}, picture("c|d")[:0], r"image 'x' is uint8 \[0, 32, 3\]"),
    ],
)
def test_unusable_input_is_named(tiny_wan, tmp_path: Path, splits, image, message: str):
    with pytest.raises(ValueError, match=message):
        write_conditions(tiny_wan, splits, lambda _: image, tmp_path / "b", dataset_version="v1")
    assert not (tmp_path / "b").exists()


def test_unusable_videos_are_named(tiny_wan, tmp_path: Path):
    def write(videos) -> None:
        write_conditions(tiny_wan, SPLITS, picture, tmp_path / "b", dataset_version="v1", videos=videos)

    with pytest.raises(ValueError, match="video 'clip 1' has 7 frames: the model needs 8"):
        write([("clip 1", "go", CLIPS[0][2][:7])])
    with pytest.raises(ValueError, match="video 'clip 1' with task"):
        write([CLIPS[0], CLIPS[0]])


@settings(deadline=None)
@given(st.integers(1, 70), st.integers(1, 70))
def test_any_picture_covers_the_video_from_its_centre(height: int, width: int):
    image = np.zeros((height, width, 3), np.uint8)
    image[height // 2, width // 2] = 255
    fitted = fit(image, VideoShape(1, 24, 16, 1.0))
    assert fitted.shape == (24, 16, 3)
    assert fitted.any(), "the centre is in the picture"


def test_a_picture_of_the_right_size_stays_as_it_is_and_a_large_one_is_averaged():
    image = picture("c|d")
    assert np.array_equal(fit(image, VideoShape(1, 32, 32, 1.0)), image)
    checks = np.indices((64, 64)).sum(0)[..., None].repeat(3, 2).astype(np.uint8) % 2 * 200
    assert np.array_equal(fit(checks, VideoShape(1, 32, 32, 1.0)), np.full((32, 32, 3), 100, np.uint8))
