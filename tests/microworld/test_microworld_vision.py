"""Reading pictures: near perfect on this world at every size and compression, silent on any other."""

import numpy as np
import pytest

from microworld.render import render_batch, render_scene
from microworld.scene import BACKGROUNDS, sample_scene
from microworld.vision import decode, grid, observe


def _things(layout):
    return sorted((thing.kind, thing.name, *thing.cell) for thing in layout.things)


@pytest.mark.slow
@pytest.mark.parametrize(
    "size, quality, scenes", [(64, 60, 80), (64, 90, 60), (96, 50, 60), (256, 75, 60), (512, 90, 15)]
)
def test_scenes_are_read_from_jpegs_of_any_size(draw, jpeg, size, quality, scenes):
    right, errors, kinds = 0, [], set()
    for seed in range(scenes):
        scene, _ = draw(seed, 0)
        kinds.add(scene.background.kind)
        seen = observe(decode(jpeg(render_scene(scene, size), quality)))
        right += _things(seen.layout) == _things(scene.layout)
        for thing in scene.layout.things:
            near = [np.hypot(o.y - thing.y, o.x - thing.x) for o in seen.layout.things if o.name == thing.name]
            errors += near and [min(near)]
    assert kinds == set(BACKGROUNDS)
    assert right >= 0.97 * scenes
    assert np.mean(errors) < 0.02
    assert np.percentile(errors, 98) < 0.06


def test_raw_pictures_of_thirty_two_pixels_are_read(draw):
    right = sum(_things(observe(render_scene(s, 32)).layout) == _things(s.layout) for s, _ in map(draw, range(60)))
    assert right >= 58


def test_agents_on_landmarks_are_both_read(draw):
    right = total = 0
    for seed in range(60):
        scene, tasks = draw(seed, 1, ("movement",))
        frame = render_batch([scene], [tasks[0].program], 2, 64)[0, -1]
        seen = observe(frame).layout
        names = sorted(thing.name for thing in scene.layout.things)
        right += sorted(thing.name for thing in seen.things) == names
        total += 1
    assert right >= 0.97 * total


def test_a_real_photo_shows_no_agent(photos):
    for photo in photos:
        seen = observe(photo)
        assert not seen.seen
        assert not seen.layout.agents
    assert sum(bool(observe(photo).why) for photo in photos) >= 0.8 * len(photos), "and says why"


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((128, 128, 3), np.uint8),
        np.full((128, 128, 3), 255, np.uint8),
        np.random.default_rng(0).integers(0, 256, (128, 128, 3)).astype(np.uint8),
        np.repeat(np.linspace(0, 255, 128).astype(np.uint8)[:, None], 384, 1).reshape(128, 128, 3),
    ],
    ids=["black", "white", "noise", "ramp"],
)
def test_empty_and_random_pictures_show_nothing(image):
    assert observe(image).seen == ()


def test_a_scene_without_agents_has_its_landmarks():
    scene = sample_scene(np.random.default_rng(5), agents=(0, 0))
    seen = observe(render_scene(scene, 128))
    assert not seen.layout.agents
    assert len(seen.layout.landmarks) == len(scene.layout.landmarks)


@pytest.mark.parametrize("shape", [(64, 64), (64, 64, 4), (8, 64, 3)])
def test_what_is_no_picture_is_refused_with_its_shape(shape):
    with pytest.raises(ValueError, match=str(shape[0])):
        observe(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("data", [b"", b"no picture at all"])
def test_bytes_that_are_no_image_are_refused(data):
    with pytest.raises(ValueError, match=f"{len(data)} bytes"):
        decode(data)


def test_the_grid_follows_from_the_shape():
    assert grid(256, 256) == (4, 4)
    assert grid(256, 384) == (4, 6)
    assert grid(385, 256) == (6, 4)
