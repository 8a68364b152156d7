"""Files are replaced whole, journals survive a kill, paths stay below their root."""

import os
import resource
import signal
import subprocess
import sys
import time

import pyarrow as pa
import pytest

from storage.files import PathOutsideRoot, confined, exclusive, replacing, sweep, write_bytes
from storage.journal import Journal
from storage.tables import read_meta, read_rows, write_table

SCHEMA = pa.schema([("a", pa.int64()), ("b", pa.string())])


@pytest.mark.parametrize("hostile", ["../x", "/etc/passwd", "a/../../x", "link/x"])
def test_a_path_that_leaves_its_root_is_refused(tmp_path, hostile):
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    with pytest.raises(PathOutsideRoot, match="leaves"):
        confined(root, hostile)


def test_odd_but_harmless_names_stay_below_the_root(tmp_path):
    for name in ("a b.mp4", "..x", "<script>.mp4", 'quo"te', "ü/日本.mp4"):
        assert confined(tmp_path, name) == tmp_path.resolve() / name


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "table"
    write_bytes(path, b"old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError("the writer died")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_last_good_table(tmp_path):
    """The kernel refuses bytes beyond the file size limit with an OSError, as a full disk does."""
    path = tmp_path / "t.parquet"
    write_table(path, [{"a": 1, "b": "good"}], SCHEMA, {"n": 1})
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
        with pytest.raises(OSError):
            write_table(path, ({"a": i, "b": os.urandom(40).hex()} for i in range(20_000)), SCHEMA, {"n": 2})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_the_same_rows_give_the_same_bytes_and_come_back(tmp_path):
    rows = [{"a": i, "b": f"row {i}"} for i in range(25_000)]
    first, second = tmp_path / "1.parquet", tmp_path / "2.parquet"
    write_table(first, rows, SCHEMA, {"x": 1, "y": [1, 2]})
    write_table(second, iter(rows), SCHEMA, {"y": [1, 2], "x": 1})
    assert first.read_bytes() == second.read_bytes()
    assert list(read_rows(first)) == rows
    assert read_meta(first) == {"x": 1, "y": [1, 2]}


def test_a_row_with_a_wrong_column_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match="'c'"):
        write_table(tmp_path / "t.parquet", [{"a": 1, "b": "", "c": 2}], SCHEMA, {})
    assert not list(tmp_path.iterdir())


def test_what_a_killed_writer_left_is_swept_and_nothing_else(tmp_path):
    (tmp_path / "deep").mkdir()
    left = [tmp_path / ".a.parquet.x1y2.tmp", tmp_path / "deep" / ".a.parquet.zz.tmp"]
    kept = [tmp_path / ".b.parquet.x1y2.tmp", tmp_path / "a.parquet", tmp_path / "a.parquet.tmp"]
    for path in (*left, *kept):
        path.write_bytes(b"x")
    sweep(tmp_path, "a.parquet")
    assert not any(path.exists() for path in left) and all(path.exists() for path in kept)
    sweep(tmp_path / "not there")


def test_a_file_that_somebody_is_writing_is_not_swept(tmp_path):
    with replacing(tmp_path / "cut.json") as temporary:
        temporary.write_bytes(b"whole")
        sweep(tmp_path)
    assert (tmp_path / "cut.json").read_bytes() == b"whole"


def test_meta_of_an_absent_or_foreign_file_is_empty(tmp_path):
    assert read_meta(tmp_path / "absent.parquet") == {}
    (tmp_path / "text.parquet").write_text("no table")
    assert read_meta(tmp_path / "text.parquet") == {}


WRITER = """
import sys
from pathlib import Path
from storage.journal import Journal
with Journal(Path(sys.argv[1])) as journal:
    number = len(journal)
    while True:
        journal.put(f"{number:06d}", {"value": "x" * 500, "number": number})
        print(number, flush=True)
        number += 1
"""


def test_a_journal_keeps_every_finished_record_through_kill_9(tmp_path, repository):
    path = tmp_path / "j.sqlite"
    for _ in range(3):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True, cwd=repository
        )
        said = [int(writer.stdout.readline()) for _ in range(50)]
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        with Journal(path) as journal:
            assert all(journal.get(f"{number:06d}")["number"] == number for number in said)
            assert len(journal) >= said[-1] + 1
            assert [value["number"] for _, value in journal.items()] == list(range(len(journal)))


OPENER = """
import sys, time
from pathlib import Path
from storage.journal import Journal
folder = Path(sys.argv[1])
for number in range(40):
    while time.time() < float(sys.argv[2]) + number / 50:
        pass
    with Journal(folder / f"{number}.sqlite") as journal:
        journal.put(sys.argv[3], 1)
"""


@pytest.mark.slow
def test_processes_may_open_a_new_journal_at_the_same_moment(tmp_path, repository):
    start = str(time.time() + 1.5)
    openers = [
        subprocess.Popen([sys.executable, "-c", OPENER, str(tmp_path), start, name], cwd=repository) for name in "abc"
    ]
    assert [opener.wait(60) for opener in openers] == [0, 0, 0]
    for number in range(40):
        with Journal(tmp_path / f"{number}.sqlite") as journal:
            assert len(journal) == 3


def test_journal_values_are_json_and_replace_each_other(tmp_path):
    with Journal(tmp_path / "j.sqlite") as journal:
        journal.put("k", {"a": [1, None, "ü"]})
        journal.put("k", 2.5)
        assert journal.get("k") == 2.5
        assert journal.get("absent") is None
        with pytest.raises(ValueError):
            journal.put("nan", float("nan"))


HOLDER = """
import sys, time
from pathlib import Path
from storage.files import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_waits_for_its_holder_and_is_free_when_the_holder_is_killed(tmp_path, repository):
    path = tmp_path / "locks" / "a.lock"
    path.parent.mkdir()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True, cwd=repository
    )
    assert holder.stdout.readline() == "held\n"
    waiter = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True, cwd=repository
    )
    time.sleep(0.5)
    assert waiter.poll() is None
    holder.kill()
    assert waiter.stdout.readline() == "held\n"
    waiter.kill()
    waiter.wait()
    holder.wait()
    with exclusive(path):
        pass
