"""Held-out tasks: drawn from a seed, a marked share of combinations that training never sees."""

import numpy as np
import pytest

from assets.conditions.held_out import from_bench, from_microworld, seen_only
from assets.conditions.options import HeldOutOptions
from assets.conditions.release import NoPixels, ReleaseImages, read_pairs
from assets.schemas import KEPT, WORLDTASKS
from microworld.families import build_task
from microworld.grammar import parse
from microworld.held_out import UNSEEN
from microworld.scene import held_out
from microworld.vision import observe
from training.condition_store import Pair


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
    with pytest.raises(NoPixels, match="damaged"):
        ReleaseImages(tree, release_store.folder)(pair.image_id)
