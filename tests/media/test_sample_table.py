"""Probing an MP4 by its table finds what a pass over all packets finds, and reads next to nothing."""

from pathlib import Path

import numpy as np
import pytest

from media import probe as probing
from media.container import opened
from media.errors import MediaError
from media.probe import probe, scan_packets, scan_table
from tests.media import faults
from tests.media import media_fixtures as make


def bytes_read():
    """By this process, through any system call."""
    return int(dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())["rchar"])


def scans(path):
    with opened(path) as (container, stream):
        table = scan_table(container, stream, path)
    with opened(path) as (container, stream):
        return table, scan_packets(container, stream)


def by_table(path):
    table, packets = scans(path)
    assert table is not None
    for name in ("pts", "keyframe_pts", "packets", "shown", "without_time", "increasing", "last_duration"):
        found, expected = getattr(table, name), getattr(packets, name)
        assert sorted(found) == sorted(expected) if isinstance(found, list) else found == expected, name
    assert np.array_equal(table.first_frame.to_ndarray(), packets.first_frame.to_ndarray())


def test_the_table_says_what_all_packets_say(clips):
    names = ["plain", "one_keyframe", "vfr", "ten_bit", "rotated", "wide_pixels", "late_start"]
    for name in (*names, *({"hevc"} & clips.keys())):
        by_table(clips[name])


@pytest.mark.parametrize("shift", [-512, 5 * 512, 12288])
@pytest.mark.parametrize("options", [{}, {"movflags": "faststart"}, {"movflags": "negative_cts_offsets"}], ids=str)
def test_the_table_of_a_remuxed_file(clips, tmp_path, shift, options):
    path = make.remux(clips["plain"], tmp_path / "remuxed.mp4", shift=shift, container_options=options)
    table, packets = scans(path)
    if table is not None:
        assert sorted(table.pts) == sorted(packets.pts) and table.keyframe_pts == packets.keyframe_pts
    assert table is not None or shift < 0


def test_what_has_no_whole_table_is_read_packet_by_packet(clips, tmp_path):
    fragments = make.remux(
        clips["plain"], tmp_path / "f.mp4", container_options={"movflags": "frag_keyframe+empty_moov"}
    )
    without = faults.without_box(clips["plain"], tmp_path / "s.mp4", b"stss")
    for path in (fragments, without, clips["edit_list"], clips["mpeg4_avi"], clips["open_gop"]):
        table, packets = scans(path)
        assert packets.packets and (table is None or sorted(table.pts) == sorted(packets.pts))
    assert scans(fragments)[0] is None and scans(without)[0] is None
    assert probe(fragments)["frame_count"] == probe(without)["frame_count"] == 48


@pytest.mark.parametrize("kind", [b"ctts", b"stts", b"stsz", b"stco", b"stsc", b"tkhd", b"mdhd"])
def test_a_damaged_table_is_not_believed(clips, tmp_path, kind):
    """Each byte of the first 40 of a box in turn is another: the frames are those of a pass over the packets, or the
    file is refused."""
    data = clips["plain"].read_bytes()
    at = data.rindex(kind) + 4
    path = tmp_path / "damaged.mp4"
    for offset in range(40):
        changed = bytearray(data)
        changed[at + offset] ^= 0x41
        path.write_bytes(changed)
        try:
            found = probe(path)
        except MediaError:
            continue
        with opened(path) as (container, stream):
            packets = scan_packets(container, stream)
        if not found["counted"]:
            first = min(packets.keyframe_pts, default=0)  # none: samples of another size, which no parser knows
            assert found["frame_count"] == len({pts for pts in packets.pts if pts >= first})


def test_a_file_of_6_gb_is_probed_by_reading_less_than_10_mb(tmp_path):
    small = make.write_video(tmp_path / "small.mp4", frames=60, options={"bf": "3"})
    huge = faults.enormous(small, tmp_path / "huge.mp4", 6 << 30)
    assert huge.stat().st_size > 6 << 30
    before = bytes_read()
    facts = probe(huge)
    assert bytes_read() - before < 10_000_000
    assert facts == probe(small)


def test_a_table_beyond_the_end_of_the_file_is_truncated(tmp_path):
    small = make.write_video(
        tmp_path / "small.mp4", frames=60, options={"bf": "3"}, container_options={"movflags": "faststart"}
    )
    path = make.cut(small, tmp_path / "cut.mp4", 0.8)
    with pytest.raises(MediaError) as caught:
        probe(path)
    assert caught.value.reason == "truncated" and "lie beyond its end" in caught.value.detail


def test_a_packet_that_is_not_as_the_table_says_makes_it_worthless(clips, monkeypatch):
    monkeypatch.setattr(probing, "COMPARED_PACKETS", 8)
    agree = probing.sample_times

    def lying(*arguments):
        times = agree(*arguments)
        times.pts[5] += 1
        return times

    monkeypatch.setattr(probing, "sample_times", lying)
    assert scans(clips["plain"])[0] is None
    assert probe(clips["plain"])["frame_count"] == 48
