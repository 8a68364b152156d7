"""Every frame read is the right one: each shows its own number."""

from fractions import Fraction
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.errors import MediaError
from robots.episode import Footage
from robots.frames import read_frames, read_views
from robots.layouts.read import read_episodes
from robots.options import RobotSource
from tests.robots.numbered_videos import numbers, shown, write_numbered, write_v3, write_v21

LENGTHS = [9, 14, 5, 11, 7]
FIRSTS = [0, *accumulate(LENGTHS)]
FILES = [[2, 3], [1, 1, 3], [5]]  # no two cameras have the same file boundaries
KINDS = [
    (Fraction(15), "libx264"),
    (Fraction(25, 2), "libx264"),
    (Fraction(30000, 1001), "libx264"),
    (Fraction(25, 2), "libsvtav1"),
    (Fraction(30000, 1001), "libsvtav1"),
]


def named(kind) -> str:
    return f"{float(kind[0]):.4g} {kind[1]}"


@pytest.fixture(scope="module", params=KINDS, ids=named)
def v3(request, tmp_path_factory):
    fps, codec = request.param
    folder = write_v3(tmp_path_factory.mktemp("v3"), LENGTHS, FILES, fps, codec)
    return list(read_episodes(RobotSource(layout="lerobot", path=str(folder), robot="fetch")))


@pytest.mark.parametrize("episode", range(len(LENGTHS)))
def test_each_frame_of_each_camera_is_its_own_in_files_that_episodes_share(v3, episode):
    """Cameras do not share file numbers, episodes begin in the middle of a file and between keyframes."""
    one, length = v3[episode], LENGTHS[episode]
    assert (one.refused, one.findings, one.frames) == ("", (), length)
    wanted = [list(range(length)), [0], [length - 1], [length // 2, length // 2], [length - 1, 0, 3, 3, 1], [1, 4]]
    for camera, footage in enumerate(one.footage.values()):
        for rows in wanted:
            seen = numbers(read_frames(footage, rows, one.fps))
            assert seen == [shown(camera, FIRSTS[episode] + row) for row in rows]


def test_no_row_of_another_episode_is_ever_read(v3):
    for one in v3:
        for footage in one.footage.values():
            for row in (-1, one.frames):
                with pytest.raises(
                    ValueError, match=f"has no row {row}: this episode's rows are 0 to {one.frames - 1}"
                ):
                    read_frames(footage, [0, row], one.fps)


@pytest.fixture(scope="module")
def long_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("long") / "long.mp4"
    return write_numbered(path, list(range(90)), Fraction(30000, 1001))


@settings(max_examples=25)
@given(st.data())
def test_any_rows_of_any_part_of_a_file_are_the_right_ones(long_file, data):
    first = data.draw(st.integers(0, 80))
    stop = data.draw(st.integers(first + 1, 90))
    fps = 30000 / 1001
    footage = Footage(long_file, first / fps, stop / fps)
    rows = data.draw(st.lists(st.integers(0, stop - first - 1), min_size=1, max_size=12))
    assert numbers(read_frames(footage, rows, fps)) == [first + row for row in rows]


def test_v21_has_a_file_an_episode(tmp_path):
    folder = write_v21(tmp_path, LENGTHS, Fraction(25, 2))
    for episode, one in enumerate(read_episodes(RobotSource(layout="lerobot", path=str(folder), robot="fetch"))):
        assert one.findings == ()
        seen = read_views(one, range(one.frames))
        assert seen.shape == (LENGTHS[episode], 3, 64, 64, 3)
        for camera in range(3):
            assert numbers(seen[:, camera]) == [shown(camera, FIRSTS[episode] + row) for row in range(one.frames)]


def test_pictures_are_rgb_and_of_the_size_asked_for(tmp_path, shared_data):
    import av
    import cv2

    path = shared_data / "droid_sample/droid_subset/videos/val/199/2.mp4"
    with av.open(str(path)) as container:
        truth = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    frames = read_frames(Footage(path), range(len(truth)), 5.0)
    assert frames.shape == truth.shape == (33, 192, 320, 3)
    assert np.abs(frames.astype(int) - truth).mean() < 0.5  # but for the interpolation of colour
    small = read_frames(Footage(path), [4], 5.0, size=(96, 144))
    assert small.shape == (1, 96, 144, 3)
    assert np.array_equal(small[0], cv2.resize(frames[4], (144, 96), interpolation=cv2.INTER_LINEAR))


def test_a_wrong_tag_is_counted_through_and_not_rescaled(tmp_path):
    """The container says 24 frames a second, the data set 15: row i is frame i."""
    path = write_numbered(tmp_path / "wrong.mp4", list(range(30)), Fraction(24))
    assert numbers(read_frames(Footage(path), range(30), 15.0)) == list(range(30))
    assert numbers(read_frames(Footage(path, 10 / 15, 20 / 15), range(10), 15.0)) == list(range(10, 20))


def test_a_damaged_frame_is_told_and_never_replaced(tmp_path):
    path = write_numbered(tmp_path / "damaged.mp4", list(range(60)), Fraction(15))
    data = bytearray(path.read_bytes())
    begin = data.index(b"mdat") + 4
    middle = begin + (len(data) - begin) // 3
    data[middle : middle + 600] = bytes(600)
    path.write_bytes(data)
    with pytest.raises(MediaError, match=f"{path}, row "):
        read_frames(Footage(path), range(60), 15.0)


def test_an_array_file_gives_the_view_asked_for(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (6, 2, 8, 10, 3), dtype=np.uint8)
    np.savez(tmp_path / "one.npz", frames=frames)
    footage = Footage(tmp_path / "one.npz", view=1)
    assert np.array_equal(read_frames(footage, [5, 0, 5], 5.0), frames[[5, 0, 5], 1])
    with pytest.raises(ValueError, match="has no row 6: this episode's rows are 0 to 5"):
        read_frames(footage, [6], 5.0)
