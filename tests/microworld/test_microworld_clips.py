"""Clips: real MP4 files, the same bytes from the same seed, with bad ones for each filter."""

import av
import cv2
import numpy as np
import pytest

from microworld.clips import BAD, BAD_EVERY, clip_bytes, file_name, flaw, footage, make_clips
from microworld.vision import observe
from storage.files import sha256_file

SIZE = 64
COUNT = BAD_EVERY * len(BAD)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    make_clips(folder, COUNT, seed=7, size=SIZE)
    return folder


def frames_of(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def of(folder, kind):
    return next(folder / file_name(n) for n in range(COUNT) if flaw(n) == kind)


@pytest.mark.slow
def test_a_second_run_writes_nothing_and_another_folder_gets_the_same_bytes(folder, tmp_path):
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    make_clips(folder, COUNT, seed=7, size=SIZE)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    make_clips(tmp_path, 8, seed=7, size=SIZE)
    for path in tmp_path.iterdir():
        assert sha256_file(path) == sha256_file(folder / path.name)


@pytest.mark.slow
def test_another_seed_makes_other_clips(folder):
    assert clip_bytes(0, 8, SIZE) != (folder / file_name(0)).read_bytes()


@pytest.mark.slow
def test_good_clips_decode_at_the_right_rate_and_length_and_show_agents(folder):
    for number in range(0, 24):
        if flaw(number):
            continue
        path = folder / file_name(number)
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            assert stream.codec_context.pix_fmt == "yuv420p"
            assert 24 <= float(stream.average_rate) <= 30
            assert 1.9 <= float(stream.duration * stream.time_base) <= 4.1
        frames = frames_of(path)
        assert min(frames[0].shape[:2]) == SIZE
        assert len(observe(frames[0]).layout.agents) >= 2
        change = max(np.abs(frames[0].astype(int) - frame).max() for frame in frames)
        assert change > 60, "something happens"


def test_some_clips_are_portrait_and_some_landscape():
    shapes = {footage(np.random.default_rng([7, n]), 32)[0].shape[1:3] for n in range(16)}
    assert {h > w for h, w in shapes} == {True, False}
    assert any(h < w for h, w in shapes)


def test_one_in_six_is_bad_and_every_way_is_there():
    flaws = [flaw(n) for n in range(COUNT)]
    assert set(flaws) == {"", *BAD}
    assert sum(map(bool, flaws)) == COUNT // BAD_EVERY


@pytest.mark.parametrize("kind", ["corrupt", "not_a_video", "zero_bytes"])
def test_broken_files_do_not_decode(folder, kind):
    with pytest.raises(av.FFmpegError):
        frames_of(of(folder, kind))


@pytest.mark.slow
@pytest.mark.parametrize("kind, low, high", [("black", 0, 3), ("white", 252, 255)])
def test_black_and_white_clips_are(folder, kind, low, high):
    mean = np.mean(frames_of(of(folder, kind))[10])
    assert low <= mean <= high


@pytest.mark.parametrize("kind", ["blurred", "faint"])
def test_blurred_and_faint_clips_have_no_edges(folder, kind):
    grey = cv2.cvtColor(frames_of(of(folder, kind))[10], cv2.COLOR_RGB2GRAY)
    assert cv2.Laplacian(grey, cv2.CV_64F).var() < 12


def test_a_clip_without_agents_is_sharp_and_has_none():
    frames, _ = footage(np.random.default_rng([7, 35]), 256, agents=0)
    assert observe(frames[0]).layout.agents == ()
    assert cv2.Laplacian(cv2.cvtColor(frames[0], cv2.COLOR_RGB2GRAY), cv2.CV_64F).var() > 20


def test_duplicates_repeat_a_good_clip(folder):
    numbers = {flaw(n): n for n in range(COUNT)}
    exact, near = numbers["exact_duplicate"], numbers["near_duplicate"]
    assert not flaw(exact - 2)
    assert not flaw(near - 2)
    assert sha256_file(folder / file_name(exact)) == sha256_file(folder / file_name(exact - 2))
    original, copy = frames_of(folder / file_name(near - 2)), frames_of(folder / file_name(near))
    assert sha256_file(folder / file_name(near)) != sha256_file(folder / file_name(near - 2))
    assert np.abs(original[5].astype(int) - copy[5]).mean() < 6


@pytest.mark.parametrize("count, size", [(0, 256), (4, 255), (4, 16)])
def test_impossible_orders_are_refused(tmp_path, count, size):
    with pytest.raises(ValueError, match=f"{count} clips of {size} pixels"):
        make_clips(tmp_path, count, size=size)
