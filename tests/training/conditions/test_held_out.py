"""Held-out tasks: drawn from a seed, a marked share of combinations that training never sees."""

import numpy as np
import pytest

from curation.schemas import WORLDTASKS
from microworld.families import build_task
from microworld.grammar import parse
from microworld.held_out import UNSEEN
from microworld.scene import held_out
from microworld.vision import observe
from models.video.pixels import cut_share, fit
from models.video.protocol import VideoShape
from storage.tables import KEPT
from training.conditions.held_out_pairs import from_bench, from_microworld, seen_only
from training.conditions.job import splits
from training.conditions.options import ConditionsOptions, HeldOutOptions
from training.conditions.release import NoPixels, ReleaseImages, read_pairs
from training.conditions.store import Pair


def options(**given) -> HeldOutOptions:
    return HeldOutOptions(source="microworld", **given)


def test_the_marked_share_are_held_out_combinations_and_no_other_is():
    pairs, _ = from_microworld(options(tasks=24, unseen_share=0.25))
    marked = [pair.pair_id.startswith(UNSEEN) for pair in pairs]
    assert sum(marked) == 6
    assert [held_out(parse(pair.task).combination) for pair in pairs] == marked


def test_tasks_follow_from_the_seed_and_their_number_alone():
    few, _ = from_microworld(options(tasks=4, unseen_share=0))
    many, scenes = from_microworld(options(tasks=8, unseen_share=0))
    again, same = from_microworld(options(tasks=8, unseen_share=0))
    assert many[:4] == few and many == again
    assert all((scenes[pair.image_id].picture == same[pair.image_id].picture).all() for pair in many[:2])
    other, _ = from_microworld(options(tasks=8, unseen_share=0, seed=2))
    assert {pair.task for pair in other} != {pair.task for pair in many}


def test_every_family_is_among_the_tasks_and_each_can_be_done():
    pairs, scenes = from_microworld(options(tasks=24))
    assert {pair.task_type for pair in pairs} == {"movement", "positioning", "interaction", "two-step"}
    for pair in pairs:
        task = build_task(scenes[pair.image_id].scene.layout, pair.task)
        assert (task.text, task.solution) == (pair.task, pair.solution)


@pytest.mark.slow
def test_the_pictures_show_the_scenes():
    pairs, scenes = from_microworld(options(tasks=3))
    for pair in pairs:
        seen = {thing.name for thing in observe(scenes[pair.image_id].picture).layout.things}
        assert {thing.name for thing in scenes[pair.image_id].scene.layout.things} == seen


def test_train_pairs_of_held_out_combinations_are_left_out_and_foreign_texts_stay(release_store):
    pairs = list(read_pairs(release_store.published / "latest", "train"))
    foreign = Pair("p", "i", "[Knight]: Open the gate.", "A knight opens a gate.", "", "", "Knight")
    seen = seen_only([*pairs, foreign])
    assert foreign in seen
    assert seen[:-1] == [pair for pair in pairs if not held_out(parse(pair.task).combination)]


def test_a_benchmark_larger_than_asked_for_is_thinned_by_the_seed():
    pairs = [Pair(f"p{n}", "i", "t", "s", "", "", "") for n in range(50)]
    assert from_bench(pairs, HeldOutOptions(tasks=50)) == pairs
    chosen = from_bench(pairs, HeldOutOptions(tasks=10))
    assert len(chosen) == 10 and chosen == sorted(chosen, key=pairs.index)
    assert chosen == from_bench(pairs, HeldOutOptions(tasks=10)) != from_bench(pairs, HeldOutOptions(tasks=10, seed=2))


def test_pixels_come_from_the_release(release_store):
    tree = release_store.published / "latest"
    images = ReleaseImages(tree, release_store.folder)
    for split in ("train", "bench"):
        for pair in read_pairs(tree, split):
            image = images(pair.image_id)
            assert image.dtype == np.uint8 and image.shape == (128, 128, 3)
            assert parse(pair.task).agent in {thing.name for thing in observe(image).layout.things}


def test_an_ids_only_release_is_read_with_the_collections_own_frames(release_store):
    import cv2

    from storage.files import sha256_bytes
    from storage.tables import write_table

    tree = release_store.published / "latest"
    for path in (tree / "data").glob("*.parquet"):
        path.unlink()
    pair = next(read_pairs(tree, "train"))
    with pytest.raises(NoPixels, match=pair.image_id):
        ReleaseImages(tree, release_store.folder)(pair.image_id)
    data = cv2.imencode(".jpg", np.full((40, 40, 3), 90, np.uint8))[1].tobytes()
    (release_store.folder / "frame.jpg").write_bytes(data)
    row = dict.fromkeys(WORLDTASKS.names) | {
        "frame_id": pair.image_id,
        "image": "frame.jpg",
        "image_sha256": sha256_bytes(data),
        "status": KEPT,
    }
    write_table(release_store.worldtasks, [row], WORLDTASKS, {})
    assert ReleaseImages(tree, release_store.folder)(pair.image_id).shape == (40, 40, 3)
    (release_store.folder / "frame.jpg").write_bytes(data + b" ")
    images = ReleaseImages(tree, release_store.folder)
    with pytest.raises(NoPixels, match="damaged"):
        images(pair.image_id)
    # The table knows the size; a picture is only read for it where a row does not.
    with pytest.raises(NoPixels, match="damaged"):
        images.size(pair.image_id)
    write_table(release_store.worldtasks, [row | {"height": 40, "width": 30}], WORLDTASKS, {})
    images = ReleaseImages(tree, release_store.folder)
    assert images.size(pair.image_id) == (40, 30)
    with pytest.raises(NoPixels, match="'other'"):
        images.size("other")


def test_pairs_of_pictures_that_the_crop_would_cut_are_left_out_and_counted(release_store, tiny_model, tmp_path):
    tree, folder = release_store.published / "latest", release_store.folder
    square = ConditionsOptions(model=tiny_model)
    wide = ConditionsOptions(model=tiny_model | {"width": 48})
    every, _, none = splits(square, tree, folder)
    assert every["train"] == list(read_pairs(tree, "train")) and set(none.values()) == {0}
    with pytest.raises(ValueError, match=r"cropped to 48x32.* more than 25% of its area \(the first is 128x128\)"):
        splits(wide, tree, folder)
    assert splits(wide.model_copy(update={"most_cropped": 0.34}), tree, folder)[0] == every

    first = every["train"][0].image_id
    images = ReleaseImages(tree, folder)
    assert images.size(first) == images(first).shape[:2] == (128, 128)


def test_a_portrait_among_square_pictures_is_no_longer_trained_on(release_store, tiny_model, monkeypatch):
    tree, folder = release_store.published / "latest", release_store.folder
    portrait = next(read_pairs(tree, "train")).image_id
    size = ReleaseImages.size
    monkeypatch.setattr(ReleaseImages, "size", lambda self, one: (384, 256) if one == portrait else size(self, one))
    kept, _, out = splits(ConditionsOptions(model=tiny_model), tree, folder)
    whole = list(read_pairs(tree, "train"))
    assert kept["train"] == [pair for pair in whole if pair.image_id != portrait]
    assert out["train pairs left out: cropped"] == len(whole) - len(kept["train"]) > 0


@pytest.mark.parametrize(
    ("size", "shape", "share"),
    [((32, 32), (64, 64), 0.0), ((384, 256), (32, 32), 1 / 3), ((480, 640), (288, 512), 0.25), ((2, 4), (4, 2), 0.75)],
)
def test_the_cut_share_is_what_fit_cuts(size, shape, share):
    assert cut_share(size, shape) == pytest.approx(share)
    image = np.zeros((*size, 3), np.uint8)
    scale = max(shape[0] / size[0], shape[1] / size[1])
    kept = shape[0] * shape[1] / (size[0] * scale * size[1] * scale)
    assert fit(image, VideoShape(8, *shape, 4.0)).shape[:2] == shape and 1 - kept == pytest.approx(share)
