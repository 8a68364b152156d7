"""Counts of a table equal what one would count by hand, and tables written in pieces equal those written at once."""

from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.assembly.assemble import assemble
from curation.assembly.options import WorldtasksOptions
from curation.assembly.statistics import statistics, whole_frames
from storage.tables import KEPT, read_rows, write_batches, write_table


def test_counts_equal_a_count_by_hand(forty, scattered, tmp_path):
    forty.frame("copy", 0, scattered(10))
    path = tmp_path / "w.parquet"
    assemble(*forty.write(), [], path, WorldtasksOptions(), {})
    rows = list(read_rows(path))
    found = statistics(path)
    for split in ("train", "bench"):
        mine = [row for row in rows if row["split"] == split]
        shown = [row for row in mine if row["redistributable"]]
        counted = {name: found["splits"][split][name] for name in ("pairs", "images", "clips")}
        assert counted == {
            "pairs": len(mine),
            "images": len({row["frame_id"] for row in mine}),
            "clips": len({row["clip_id"] for row in mine}),
        }
        assert found["splits"][split]["publishable_images"] == len({row["frame_id"] for row in shown})
        assert found["splits"][split]["task_types"] == {
            name: sum(row["task_type"] == name for row in mine) for name in sorted({row["task_type"] for row in mine})
        }
    lost = [row for row in rows if row["status"] != KEPT]
    assert found["reasons"] == {
        reason: sum(row["reason"] == reason for row in lost) for reason in sorted({row["reason"] for row in lost})
    }
    assert found["reason_images"] == {
        reason: len({row["frame_id"] for row in lost if row["reason"] == reason}) for reason in found["reasons"]
    }


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 5), max_size=30), st.integers(1, 9))
def test_no_batch_ends_inside_a_frame(tmp_path_factory, lengths, batch):
    schema = pa.schema([("frame_id", pa.string()), ("value", pa.int64())])
    rows = [{"frame_id": f"{n:03d}", "value": i} for n, length in enumerate(lengths) for i in range(length)]
    path = tmp_path_factory.mktemp("frames") / "t.parquet"
    write_table(path, rows, schema, {})
    parts = [part.to_pylist() for part in whole_frames(path, ["frame_id", "value"], batch)]
    assert [row for part in parts for row in part] == rows
    ends = [part[-1]["frame_id"] for part in parts]
    assert len(set(ends)) == len(ends) and all(part for part in parts)
    assert not any(a[-1]["frame_id"] == b[0]["frame_id"] for a, b in pairwise(parts))


SCHEMA = pa.schema([("id", pa.string()), ("value", pa.float64())])


@pytest.mark.parametrize("piece", [1, 999, 10_000, 25_000])
def test_a_table_written_in_pieces_has_the_bytes_of_one_written_at_once(tmp_path, piece, monkeypatch):
    monkeypatch.setattr("storage.tables.ROW_GROUP", 1000)
    rows = [{"id": f"row {n % 37}", "value": n / 7} for n in range(2500 if piece == 1 else 25_000)]
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    write_table(tmp_path / "rows.parquet", rows, SCHEMA, {"a": 1})
    pieces = (table.slice(start, piece) for start in range(0, len(rows), piece))
    write_batches(tmp_path / "pieces.parquet", pieces, SCHEMA, {"a": 1})
    assert (tmp_path / "rows.parquet").read_bytes() == (tmp_path / "pieces.parquet").read_bytes()


def test_a_table_with_other_columns_leaves_the_old_file(tmp_path):
    path = tmp_path / "t.parquet"
    write_batches(path, [], SCHEMA, {})
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"t\.parquet: columns \['id'\] or their types differ from \['id', 'value'\]"):
        write_batches(path, [pa.table({"id": ["a"]})], SCHEMA, {})
    assert path.read_bytes() == before
