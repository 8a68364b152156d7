"""MiraData's CSV in both schemas, with the defects that its files really have."""

import pytest

from curation.clips.miradata import read_miradata
from curation.clips.miradata_files import miradata_candidates
from storage.journal import Journal

V0 = "index,video_id,start_frame,end_frame,short_caption,fps,start_timestep,end_timestep,,\n"
GOOD = '000000008783_AJp_ANXoGoM-000114,AJp_ANXoGoM,60,3660,"Cars, ""seen"" closely.",30,0:00:02,0:02:02,,\n'


@pytest.fixture
def written(tmp_path):
    def write(data: str | bytes):
        path = tmp_path / "meta.csv"
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return write


def test_v0_gives_id_video_times_and_caption(written):
    record = read_miradata(written(V0 + GOOD))[0]
    assert (record.clip_id, record.external_id) == ("000000008783_AJp_ANXoGoM-000114", "AJp_ANXoGoM")
    assert (record.start_s, record.end_s) == (2.0, 122.0)
    assert record.caption == 'Cars, "seen" closely.'
    assert not record.reason


def test_v1_gives_times_from_its_timestamp_text(written):
    data = "clip_id,source,video_id,timestamp,file_path\n8783.114,youtube,AJp_ANXoGoM,"
    data += "\"['1:00:02.5','1:02:02.0']\",a/b.mp4\n"
    record = read_miradata(written(data))[0]
    assert (record.clip_id, record.start_s, record.end_s) == ("8783.114", 3602.5, 3722.0)
    assert record.file_path == "a/b.mp4"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_accents_survive_whatever_the_encoding(written, encoding):
    text = V0 + GOOD.replace("Cars", "Café naïve")
    assert "Café naïve" in read_miradata(written(text.encode(encoding)))[0].caption


@pytest.mark.parametrize("bad", ["../../etc/passwd", "1_x-2", "000000008783_AJp_ANXoGo-000114", "'; rm -rf", ""])
def test_an_id_off_its_pattern_is_a_row_with_a_reason(written, bad):
    row = GOOD.replace("000000008783_AJp_ANXoGoM-000114", f'"{bad}"')
    record = read_miradata(written(V0 + row))[0]
    assert record.reason == "bad_id"


@pytest.mark.parametrize("cells", ["x,3660", "3660,60", "-5,10", "nan,10", ","])
def test_times_that_make_no_sense_are_a_row_with_a_reason(written, cells):
    assert read_miradata(written(V0 + GOOD.replace("60,3660", cells)))[0].reason == "bad_times"


@pytest.mark.parametrize("fps", ["0", "-30", "1e-300", "nan", "inf", ""])
def test_a_rate_that_makes_no_sense_is_a_row_with_a_reason(written, fps):
    assert read_miradata(written(V0 + GOOD.replace(",30,", f",{fps},")))[0].reason == "bad_times"


def test_a_blank_row_is_a_row_with_its_line(written):
    records = read_miradata(written(V0 + GOOD + ",,,,,,,,,\n" + GOOD))
    assert [record.reason for record in records] == ["", "blank_row", ""]
    assert records[1].detail == "line 3 of the CSV is blank"


def test_missing_columns_are_named(written):
    with pytest.raises(ValueError, match="lacks the columns start_frame, fps"):
        read_miradata(written("index,video_id,end_frame,short_caption\n"))
    with pytest.raises(ValueError, match="found none"):
        read_miradata(written(""))


def test_a_quoted_caption_may_span_lines_and_hold_separators(written):
    row = GOOD.replace("Cars, ", "Cars,\nlane\u2028 ")
    assert len(read_miradata(written(V0 + row))) == 1


def test_local_files_are_found_absent_ones_listed_and_repeats_rejected(tmp_path, written):
    folder = tmp_path / "clips"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "000000008783_AJp_ANXoGoM-000114.mp4").write_bytes(b"1")
    other = GOOD.replace("000114", "000115")
    with Journal(tmp_path / "j.sqlite") as digests:
        found = miradata_candidates(written(V0 + GOOD + other + GOOD), folder, digests)
    assert [candidate.reason for candidate in found] == ["", "absent", "duplicate_id"]
    assert found[0].path == "deep/000000008783_AJp_ANXoGoM-000114.mp4"
    assert not any(candidate.redistributable for candidate in found)
    assert len({candidate.clip_id for candidate in found}) == 3


def test_the_real_sample_reads_as_100_clips_and_one_blank_row(shared_data):
    records = read_miradata(shared_data / "miradata" / "miradata_v0_100_samples.csv")
    assert [record.reason for record in records].count("") == 100
    assert [record.reason for record in records].count("blank_row") == 1
    sound = [record for record in records if not record.reason]
    assert len({record.external_id for record in sound}) == 97
    assert all(55 < record.end_s - record.start_s < 125 for record in sound)


def test_an_unclosed_quote_is_told_with_what_it_swallowed(written):
    broken = GOOD.replace('"Cars, ""seen"" closely."', '"Cars').replace("000114", "000113")
    records = read_miradata(written(V0 + broken + GOOD + GOOD))
    told = [record for record in records if record.reason == "malformed_row"]
    assert told and "records" in told[0].detail


@pytest.mark.parametrize(
    "times",
    ["['00:00:99999','01:00:00']", "['1:00:00']", "['0:61:00','2:00:00']", "noon", f"['0:00:00','{'9' * 5000}:00:00']"],
)
def test_v1_times_that_are_no_times_are_a_row_with_a_reason(written, times):
    data = f'clip_id,video_id,timestamp,file_path\n8783.114,AJp_ANXoGoM,"{times}",a.mp4\n'
    assert read_miradata(written(data))[0].reason == "bad_times"
