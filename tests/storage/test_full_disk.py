"""A disk that takes no more: every writer names its file, how much is free and what to do, and spoils nothing."""

import contextlib
import errno
import os
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from evaluation.report.footage import placed
from evaluation.videos import write_video
from storage import full_disk
from storage.files import append_line, exclusive, write_bytes
from storage.folders import building
from storage.full_disk import CannotWrite, naming, told_of_a_full_disk
from storage.journal import Journal
from storage.links import link_or_copy
from storage.notes import write_note
from storage.tables import write_table
from tests.small_disk import fill, no_file_above, small_disk
from training.loop import checkpoint_files
from training.loop.log import METRICS, TENSORBOARD, RunLog

NOISE = os.urandom(400_000)
SCHEMA = pa.schema([("a", pa.binary())])


def bytes_of(folder):
    write_bytes(folder / "file", NOISE)
    return folder / "file"


def table(folder):
    write_table(folder / "t.parquet", ({"a": NOISE[i : i + 4000]} for i in range(0, len(NOISE), 4000)), SCHEMA, {})
    return folder / "t.parquet"


def note(folder):
    write_note(folder / "note.json", {"a": NOISE.hex()})
    return folder / "note.json"


def journal(folder):
    with Journal(folder / "j.sqlite") as kept:
        for number in range(100):
            kept.put(str(number), NOISE[number * 4000 :][:4000].hex())
    return folder / "j.sqlite"


def line(folder):
    append_line(folder / "log.jsonl", NOISE.hex())
    return folder / "log.jsonl"


def checkpoint(folder):
    tensors = {"a": torch.frombuffer(bytearray(NOISE), dtype=torch.uint8)}
    return checkpoint_files.save(folder / "checkpoints", 7, tensors, {"step": 7}, 2)


def tensors(folder):
    from safetensors.torch import save_file

    with building(folder / "final") as half:
        save_file({"a": torch.frombuffer(bytearray(NOISE), dtype=torch.uint8)}, half / "w.safetensors")
    return folder / "final"


def video(folder):
    write_video(folder / "v.mp4", np.random.default_rng(0).integers(0, 256, (8, 256, 256, 3), np.uint8), 8)
    return folder / "v.mp4"


def copy(folder):
    source = folder.parent / "source"
    source.write_bytes(NOISE)
    link_or_copy(source, folder / "copy")
    return folder / "copy"


WRITERS = {one.__name__: one for one in (bytes_of, table, note, journal, line, checkpoint, tensors, video, copy)}
NAMES = {"bytes_of": "file", "table": "t.parquet", "note": "note.json", "journal": "j.sqlite", "line": "log.jsonl"}
NAMES |= {"checkpoint": "checkpoints/step-00000007", "tensors": "final", "video": "v.mp4", "copy": "copy"}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_told_with_the_file_the_free_space_and_what_to_do(tmp_path, name):
    with small_disk(tmp_path / "disk") as disk:
        taken = fill(disk, leave=128 * 2**10)
        with pytest.raises(CannotWrite) as caught:
            WRITERS[name](disk)
        error, said = caught.value, str(caught.value)
        assert error.errno == errno.ENOSPC
        assert said.startswith(f"{disk / NAMES[name]} cannot be written: No space left on device (")
        assert " of 256.0 KiB free without it). To go on, free some space, then start again" in said
        left = {path.name for path in disk.rglob("*") if path.suffix in (".tmp", ".building")}
        assert not left, "what was half written is gone"
        if name in ("bytes_of", "table", "note", "checkpoint", "tensors", "video"):
            assert not (disk / NAMES[name]).exists(), "a file is there whole or not at all"
        taken.unlink()
    with small_disk(tmp_path / "larger", "4m") as disk:
        assert WRITERS[name](disk).exists()


@pytest.mark.parametrize("name", ["bytes_of", "table", "note", "line", "checkpoint", "copy", "tensors"])
def test_a_limit_of_file_sizes_is_told_as_a_full_disk(tmp_path, name):
    (tmp_path / "disk").mkdir()
    with no_file_above(100_000), pytest.raises(CannotWrite) as caught:
        if name == "copy":
            with no_file_above(10**9):
                (tmp_path / "source").write_bytes(NOISE)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("os.link", lambda *_: (_ for _ in ()).throw(OSError(errno.EXDEV, "another device")))
                link_or_copy(tmp_path / "source", tmp_path / "disk" / "copy")
        else:
            WRITERS[name](tmp_path / "disk")
    said = str(caught.value)
    assert said.startswith(f"{tmp_path / 'disk' / NAMES[name]} cannot be written: File too large. To go on, allow l")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_write_that_the_system_refuses_names_the_file(tmp_path, monkeypatch, number):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("os.fsync", refuse)
    for write in (bytes_of, table, note, checkpoint):
        with pytest.raises(CannotWrite, match=f"cannot be written: {os.strerror(number)}.* start again") as caught:
            write(tmp_path)
        assert caught.value.errno == number
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_the_first_file_that_is_named_stays_named(tmp_path):
    with pytest.raises(CannotWrite, match=r"^/inner cannot"), naming(tmp_path / "outer"):
        raise full_disk.refused(errno.ENOSPC, Path("/inner"))
    again = pickle.loads(pickle.dumps(full_disk.refused(errno.ENOSPC, tmp_path)))
    assert isinstance(again, CannotWrite) and str(again).startswith(f"{tmp_path} cannot be written")


@pytest.mark.parametrize("error", [ValueError("8"), KeyError("x"), OSError(errno.ENOENT, "no", "file"), OSError("?")])
def test_other_errors_stay_as_they_are(tmp_path, error):
    with pytest.raises(type(error)) as caught, naming(tmp_path):
        raise error
    assert caught.value is error


def test_what_is_done_under_a_lock_is_not_laid_at_the_locks_door(tmp_path):
    with pytest.raises(OSError) as caught, exclusive(tmp_path / "lock"):
        raise OSError(errno.ENOSPC, "full", "elsewhere")
    assert not isinstance(caught.value, CannotWrite) and caught.value.filename == "elsewhere"


def test_a_journal_on_a_full_disk_keeps_what_it_has_and_takes_more_when_there_is_space(tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        taken, done = fill(disk, leave=160 * 2**10), 0
        with Journal(disk / "j.sqlite") as kept, contextlib.suppress(CannotWrite):
            for done in range(200):
                kept.put(f"{done:03d}", "x" * 3000)
        assert 0 < done < 199, "the disk was full in between"
        with contextlib.suppress(CannotWrite), Journal(disk / "j.sqlite") as kept:
            kept.put("more", "x" * 3000)
        taken.unlink()
        with Journal(disk / "j.sqlite") as kept:
            assert [key for key, _ in kept.items()][:done] == [f"{number:03d}" for number in range(done)]
            kept.put("200", "x" * 3000)
            assert kept.get("200") == "x" * 3000


def test_a_read_only_disk_is_told_by_journals_too(tmp_path):
    import subprocess

    with small_disk(tmp_path / "disk") as disk:
        with Journal(disk / "j.sqlite") as kept:
            kept.put("a", 1)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        with pytest.raises(
            CannotWrite, match=r"j\.sqlite\S* cannot be written: Read-only file system\. To go on, make"
        ):
            journal(disk)
        with pytest.raises(CannotWrite, match="file cannot be written: Read-only file system"):
            bytes_of(disk)


def test_a_report_on_a_full_disk_ends_and_shows_no_video_as_missing(tmp_path):
    from evaluation.records import OK, VideoRecord
    from storage.files import sha256_bytes

    run = tmp_path / "run"
    run.mkdir()
    (run / "v.mp4").write_bytes(NOISE)
    record = VideoRecord("v", "v", 0, "v.mp4", "", "", sha256=sha256_bytes(NOISE), failure=OK)
    with small_disk(tmp_path / "disk") as disk:
        fill(disk, leave=64 * 2**10)
        (disk / "videos").mkdir()
        with pytest.raises(CannotWrite, match=r"\.mp4\S* cannot be written: No space left on device"):
            placed(run, record, disk)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # TensorBoard's own thread
def test_a_trainings_log_on_a_full_disk_names_the_log(tmp_path):
    with small_disk(tmp_path / "disk") as disk, (tmp_path / "out").open("w") as out:
        with (
            pytest.raises(CannotWrite, match=f"run/({METRICS}|{TENSORBOARD}) cannot be written: No space left on dev"),
            RunLog(disk / "run", 10_000, stream=out) as log,
        ):
            log.begin()
            log.step(1, {"loss": 1.0})
            taken = fill(disk)
            for step in range(2, 10_000):
                log.step(step, {"loss": 1.0})
        taken.unlink()
        with RunLog(disk / "run", 10_000, stream=out) as log:
            log.resume(1)
            log.step(2, {"loss": 0.5})
            assert log.series()["loss"] == [(1, 1.0), (2, 0.5)]


def test_a_program_that_could_print_no_more_has_its_full_disk_told(tmp_path):
    assert told_of_a_full_disk("step 3", tmp_path) == "step 3"
    with small_disk(tmp_path / "disk") as disk:
        fill(disk)
        said = told_of_a_full_disk("step 3", disk / "train.log")
        assert said.startswith(f"step 3; {disk / 'train.log'} cannot be written: No space left on device (")
        assert told_of_a_full_disk(said, disk / "train.log") == said


def test_a_mapped_file_takes_its_space_before_it_is_written(tmp_path):
    """Else the kernel ends the process, with SIGBUS."""
    from curation.assembly.clip_neighbours import _reserve

    with small_disk(tmp_path / "disk") as disk:
        np.lib.format.open_memmap(disk / "a.npy", "w+", np.int16, (1000, 768))
        with pytest.raises(CannotWrite, match=r"a\.npy cannot be written"), naming(disk / "a.npy"):
            _reserve(disk / "a.npy")
