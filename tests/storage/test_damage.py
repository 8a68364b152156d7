"""One flipped bit in a file is found where the file is read, and never becomes a value."""

import json
import random
import sqlite3

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage.damage import Damaged
from storage.journal import Journal
from storage.notes import kept_note, read_note, write_note
from storage.tables import META_KEY, digest, read_meta, read_rows, whole, write_table

SCHEMA = pa.schema([("name", pa.string()), ("value", pa.float64()), ("count", pa.int32())])
ROWS = [{"name": f"row {i} of many", "value": i / 7, "count": i} for i in range(50)]


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def some_bits(data: bytes, count: int, seed: int) -> list[int]:
    return random.Random(seed).sample(range(8 * len(data)), min(count, 8 * len(data)))


def test_every_flipped_bit_of_a_table_is_found(tmp_path):
    path = tmp_path / "t.parquet"
    write_table(path, ROWS, SCHEMA, {"fingerprint": "abc"})
    sound, known = path.read_bytes(), digest(path)
    for bit in some_bits(sound, 1500, 1):
        path.write_bytes(flipped(sound, bit))
        try:
            assert digest(path) != known
        except Damaged as error:
            assert "t.parquet is damaged" in str(error)
            continue
        # The seal itself no longer looks like one: the table then counts as one from before there were seals.
        assert list(read_rows(path)) == ROWS and read_meta(path) == {"fingerprint": "abc"}
        raise AssertionError(f"bit {bit} was not noticed")


@pytest.mark.parametrize("rows", [0, 1, 25_000])
def test_a_sound_table_is_sound(tmp_path, rows):
    path = tmp_path / "t.parquet"
    write_table(path, ({"name": str(i), "value": i / 3, "count": i} for i in range(rows)), SCHEMA, {"n": rows})
    assert digest(path) == whole(path) == digest(path)
    assert sum(1 for _ in read_rows(path)) == rows and read_meta(path) == {"n": rows}


def test_a_table_with_a_long_footer_is_sound(tmp_path):
    """The seal is found wherever the footer puts it."""
    path = tmp_path / "t.parquet"
    write_table(path, ROWS, SCHEMA, {"long": "x" * 300_000})
    assert digest(path)
    path.write_bytes(flipped(path.read_bytes(), 100))
    with pytest.raises(Damaged):
        digest(path)


def test_a_table_from_before_there_were_seals_is_read_and_what_cannot_be_read_of_it_is_named(tmp_path):
    path = tmp_path / "t.parquet"
    old = pa.Table.from_pylist(ROWS, schema=SCHEMA.with_metadata({META_KEY: b'{"fingerprint": "abc"}'}))
    pq.write_table(old, path, compression="zstd")
    sound = path.read_bytes()
    assert digest(path) and list(read_rows(path)) == ROWS and read_meta(path) == {"fingerprint": "abc"}
    for bit in some_bits(sound, 300, 2):
        path.write_bytes(flipped(sound, bit))
        try:
            digest(path)
            list(read_rows(path))
        except Damaged as error:
            assert "t.parquet is damaged" in str(error)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"garbage" * 100, b"PAR1" + b"\0" * 40 + b"PAR1"])
def test_what_is_no_table_is_damaged_and_has_no_meta(tmp_path, content, caplog):
    path = tmp_path / "t.parquet"
    path.write_bytes(content)
    assert read_meta(path) == {}
    assert whole(path) == "" and "t.parquet is damaged" in caplog.text and "made again" in caplog.text
    with pytest.raises(Damaged, match="is damaged"):
        list(read_rows(path))


def test_every_flipped_bit_of_a_note_is_found(tmp_path):
    path = tmp_path / "note.json"
    values = {"version": "5d7a", "n": 12, "shares": [0.25, None], "deep": {"b": "ä"}}
    write_note(path, values)
    sound = path.read_bytes()
    assert read_note(path, "") == values
    for bit in range(8 * len(sound)):
        path.write_bytes(flipped(sound, bit))
        try:
            found = read_note(path, "delete it")
        except Damaged as error:
            assert "note.json is damaged" in str(error) and "delete it" in str(error)
            continue
        assert found == values, bit  # a blank that became another


@pytest.mark.parametrize("content", [b"", b"[]", b"3", b"\xff", b"[" * 200_000, b'{"a": ' * 100_000])
def test_a_note_that_is_none_is_told_and_counts_as_absent(tmp_path, content, caplog):
    path = tmp_path / "note.json"
    path.write_bytes(content)
    assert kept_note(path) == {} and "note.json is damaged" in caplog.text
    with pytest.raises(Damaged, match="is damaged"):
        read_note(path, "")


def test_a_note_from_before_notes_had_hashes_is_read(tmp_path):
    path = tmp_path / "note.json"
    path.write_text('{"shards": 8}')
    assert read_note(path, "") == {"shards": 8}


def write_journal(path, count=60):
    with Journal(path) as journal:
        for i in range(count):
            journal.put(f"key-{i:03d}", {"n": i, "text": f"answer {i} " * 5})
        return dict(journal.items())


def test_no_flipped_bit_of_a_journal_becomes_an_answer(tmp_path, caplog):
    """A record is there as it was written, or it is not there; after that the journal works."""
    path = tmp_path / "j.sqlite"
    known = write_journal(path)
    sound = path.read_bytes()
    assert not path.with_name("j.sqlite-wal").exists()
    bits = some_bits(sound, 250, 3) + some_bits(sound[:200], 150, 4)
    lost = 0
    for bit in bits:
        for left in tmp_path.glob("*j.sqlite*"):
            left.unlink()
        path.write_bytes(flipped(sound, bit))
        caplog.clear()
        with Journal(path) as journal:
            found = {key: journal.get(key) for key in known}
            assert all(value is None or value == known[key] for key, value in found.items()), bit
            missing = [key for key, value in found.items() if value is None]
            listed = dict(journal.items())
            assert all(known.get(key) == value for key, value in listed.items()), bit
            for key in known:
                journal.put(key, known[key])
            assert dict(journal.items()) == known, bit
        lost += bool(missing)
        if path.with_name("j.sqlite.damaged").exists():
            assert "j.sqlite is damaged" in caplog.text, bit
    assert lost > 20


@pytest.mark.parametrize("content", [b"garbage" * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_what_is_no_journal_is_set_aside_and_told(tmp_path, content, caplog):
    path = tmp_path / "j.sqlite"
    path.write_bytes(content)
    with Journal(path) as journal:
        journal.put("a", 1)
        assert journal.get("a") == 1
    assert path.with_name("j.sqlite.damaged").read_bytes() == content
    assert "j.sqlite is damaged" in caplog.text and "it is now j.sqlite.damaged" in caplog.text


def test_a_journal_from_before_records_had_checksums_goes_on(tmp_path):
    path = tmp_path / "j.sqlite"
    with sqlite3.connect(path) as old:
        old.execute("CREATE TABLE done (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")
        old.execute("INSERT INTO done VALUES ('a', ?)", (json.dumps({"x": 1}),))
    old.close()
    with Journal(path) as journal:
        assert journal.get("a") == {"x": 1}
        journal.put("b", 2)
        assert dict(journal.items()) == {"a": {"x": 1}, "b": 2} and len(journal) == 2
