"""Encoded episodes: what is read is what was written, exactly once encoded, and damage is told."""

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from robots import write_encoded as writer
from robots.encoded import EpisodeStore, NotEncoded
from robots.episode import Episode, Footage
from robots.write_encoded import Encoding, Recording, write_encoded
from storage.damage import Damaged

VIEWS = ("front", "wrist")
ENCODING = Encoding("vae-1", "microworld", VIEWS, 8, 6, batch=4)


def recordings(folder: Path, count: int = 3, rows: int = 10) -> list[Recording]:
    """Episodes of the microworld's layout, each frame of its own colours."""
    found = []
    for number in range(count):
        rng = np.random.default_rng(number)
        path = folder / f"{number}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        frames = rng.integers(0, 256, (rows, len(VIEWS), 8, 6, 3), np.uint8)
        np.savez(path, frames=frames)
        footage = {view: Footage(path, view=place) for place, view in enumerate(VIEWS)}
        split = "val" if number == 0 else "train"
        episode = Episode(f"e{number}", split, 5.0, rng.normal(size=(rows, 7)), footage, "push", f"scene{number}")
        found.append(Recording(episode, f"content{number}", f"shard-{number:04d}"))
    return found


def encode(frames: np.ndarray) -> np.ndarray:
    """[n, V, 8, 6, 3] -> [n, V, 3, 4, 3]: every second pixel."""
    return frames[:, :, ::2, ::2].transpose(0, 1, 4, 2, 3) / np.float32(255) - np.float32(0.5)


def statistics():
    from robots.statistics import Statistics

    return Statistics(q01=np.full(7, -2.0), q99=np.full(7, 2.0), count=50)


@pytest.fixture
def made(tmp_path):
    write_encoded(tmp_path / "out", recordings(tmp_path / "in"), encode, ENCODING, statistics())
    return tmp_path


def true_frames(folder: Path, number: int) -> np.ndarray:
    with np.load(folder / "in" / f"{number}.npz") as arrays:
        return arrays["frames"]


def test_rows_come_back_in_any_order_and_twice(made):
    store, rows = EpisodeStore(made / "out"), [0, 0, 9, 3, 4, 3]
    frames = true_frames(made, 1)[rows]
    assert np.array_equal(store.frames("e1", rows), frames)
    latents = store.latents("e1", rows)
    assert latents.dtype == np.float32 and np.array_equal(latents, encode(frames))


def test_an_episode_has_its_states_text_scene_and_split(made):
    store = EpisodeStore(made / "out")
    (held,) = store.episodes("val")
    assert (held.episode_id, held.text, held.scene, held.n_rows, held.fps) == ("e0", "push", "scene0", 10, 5.0)
    assert np.array_equal(held.states, recordings(made / "again")[0].episode.states)
    assert [one.episode_id for one in store.episodes()] == ["e0", "e1", "e2"]
    assert (store.identity, store.contract, store.views, store.size) == ("vae-1", "microworld", VIEWS, (8, 6))
    assert np.array_equal(store.statistics.q01, statistics().q01)


@pytest.mark.parametrize("row", [-1, 10])
def test_a_row_that_is_not_there_is_refused_not_clamped(made, row):
    with pytest.raises(IndexError, match=f"episode 'e1' has no row {row}: its rows are 0 to 9"):
        EpisodeStore(made / "out").latents("e1", [3, row])


def test_an_absent_split_or_episode_is_named(made):
    store = EpisodeStore(made / "out")
    with pytest.raises(NotEncoded, match="no episode of split 'test': its splits are train, val"):
        store.episodes("test")
    with pytest.raises(NotEncoded, match="no episode 'e7'"):
        store.frames("e7", [0])
    with pytest.raises(NotEncoded, match="holds no encoded episodes"):
        EpisodeStore(made / "in")


def test_frames_read_from_the_footage_equal_stored_ones(made):
    other = dataclasses.replace(ENCODING, pixels="video", dtype="float16")
    write_encoded(made / "video", recordings(made / "in"), encode, other, statistics())
    store, stored, rows = EpisodeStore(made / "video"), EpisodeStore(made / "out"), [7, 1, 1]
    assert np.array_equal(store.frames("e2", rows), stored.frames("e2", rows))
    assert np.allclose(store.latents("e2", rows), stored.latents("e2", rows), atol=5e-4)
    assert store.latents("e2", rows).dtype == np.float32
    with pytest.raises(IndexError, match="has no row 10"):
        store.frames("e2", [10])


def test_a_rerun_encodes_what_is_new_and_keeps_the_version(made):
    calls = []

    def counted(frames):
        calls.append(len(frames))
        return encode(frames)

    before = EpisodeStore(made / "out").version
    again = write_encoded(made / "out", recordings(made / "in"), counted, ENCODING, statistics())
    assert (again.encoded, again.reused, again.version, calls) == (0, 3, before, [])
    more = write_encoded(made / "out", recordings(made / "in", 4), counted, ENCODING, statistics())
    assert (more.encoded, more.reused, sum(calls)) == (1, 3, 10) and more.version != before
    other = write_encoded(
        made / "out", recordings(made / "in"), counted, dataclasses.replace(ENCODING, identity="vae-2"), statistics()
    )
    assert (other.encoded, other.reused) == (3, 0)
    assert len(list((made / "out" / "episodes").iterdir())) == 3, "files of the other model are gone"


def test_another_text_changes_the_version_and_encodes_nothing(made):
    given = recordings(made / "in")
    given[1] = dataclasses.replace(given[1], episode=dataclasses.replace(given[1].episode, text="lift"))
    before = EpisodeStore(made / "out").version
    again = write_encoded(made / "out", given, encode, ENCODING, statistics())
    assert (again.encoded, again.reused) == (0, 3) and again.version != before
    assert EpisodeStore(made / "out").episode("e1").text == "lift"


def test_one_shard_at_a_time_lists_all_that_are_there(tmp_path):
    given = recordings(tmp_path / "in")
    for number, listed in ((1, ["e1"]), (0, ["e0", "e1"])):
        write_encoded(tmp_path / "out", given, encode, ENCODING, statistics(), shards={f"shard-{number:04d}"})
        assert [one.episode_id for one in EpisodeStore(tmp_path / "out").episodes()] == listed


def files(folder: Path) -> list[Path]:
    return sorted((folder / "out" / "episodes").iterdir())


def test_a_changed_byte_is_told_and_encoded_again(made, caplog):
    for path in files(made):
        data = bytearray(path.read_bytes())
        data[-5] ^= 1
        path.unlink()
        path.write_bytes(data)
    store = EpisodeStore(made / "out")
    with pytest.raises(Damaged, match=r"its content is not what was written.*materialize episode_latents again"):
        store.latents("e1", [0])
    again = write_encoded(made / "out", recordings(made / "in"), encode, ENCODING, statistics())
    assert (again.encoded, again.reused) == (3, 0)
    assert "the episode is encoded again" in caplog.text
    assert np.array_equal(EpisodeStore(made / "out").latents("e1", [2]), encode(true_frames(made, 1)[[2]]))


def test_a_lost_file_and_a_changed_manifest_are_told(made):
    for path in files(made):
        path.unlink()
    with pytest.raises(Damaged, match="it is gone"):
        EpisodeStore(made / "out").latents("e1", [0])
    manifest = made / "out" / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"train"', b'"val"'))
    with pytest.raises(Damaged, match="materialize episode_latents again"):
        EpisodeStore(made / "out")


def test_bad_input_is_told_by_name(tmp_path):
    one = recordings(tmp_path / "in", 1)
    with pytest.raises(ValueError, match="episode 'e0' is given twice"):
        write_encoded(tmp_path / "out", one * 2, encode, ENCODING, statistics())
    with pytest.raises(ValueError, match="'e0', rows 0 to 3: the latents are not finite"):
        write_encoded(tmp_path / "nan", one, lambda frames: encode(frames) * np.nan, ENCODING, statistics())
    assert not list((tmp_path / "nan" / "episodes").glob("*"))
    three = dataclasses.replace(ENCODING, views=("front", "side"))
    with pytest.raises(ValueError, match=r"\(view_count: episode e0: no view 'side': it has front, wrist, the model"):
        write_encoded(tmp_path / "views", one, encode, three, statistics())
    with pytest.raises(ValueError, match=r"no episode that can be encoded .none was kept by `episodes`"):
        write_encoded(tmp_path / "none", [], encode, ENCODING, statistics())


def test_an_episode_with_an_unreadable_frame_is_left_out_by_name(tmp_path):
    given = recordings(tmp_path / "in")
    path = tmp_path / "in" / "1.npz"
    path.write_bytes(path.read_bytes()[:100])
    made = write_encoded(tmp_path / "out", given, encode, ENCODING, statistics())
    store = EpisodeStore(tmp_path / "out")
    assert (made.encoded, made.left_out, [one.episode_id for one in store.episodes()]) == (2, 1, ["e0", "e2"])
    (told,) = store.left_out
    assert (told["episode_id"], told["rule"]) == ("e1", "damaged_video") and "1.npz" in told["message"]


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.robots import test_encoded as own
calls = []
def encode(frames):
    calls.append(1)
    if len(calls) == 5:  # in the second episode, which is three batches as the first
        os.kill(os.getpid(), signal.SIGKILL)
    return own.encode(frames)
folder = Path(sys.argv[1])
own.write_encoded(folder / "out", own.recordings(folder / "in"), encode, own.ENCODING, own.statistics())
"""


def test_a_killed_run_repeats_no_finished_episode(tmp_path, repository):
    run = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=repository, env=os.environ)
    assert run.returncode == -signal.SIGKILL
    assert len(files(tmp_path)) == 1
    told = []
    done = write_encoded(
        tmp_path / "out",
        recordings(tmp_path / "in"),
        encode,
        ENCODING,
        statistics(),
        done=lambda recording: told.append(recording.episode.episode_id),
    )
    assert (done.encoded, done.reused, told) == (2, 1, ["e1", "e2"])
    assert not list((tmp_path / "out").rglob(".*.tmp"))


def test_the_same_recordings_give_the_same_bytes(made, tmp_path):
    write_encoded(tmp_path / "b", recordings(made / "in"), encode, ENCODING, statistics())
    for path in files(made):
        assert path.read_bytes() == (tmp_path / "b" / "episodes" / path.name).read_bytes()
    assert writer.VERSION == 1
