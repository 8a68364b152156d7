"""A remote video gives what the local file gives, for few bytes; a server's fault is no file's; no other door opens."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import media.http_ranges
import media.remote
from media.container import opened
from media.decode import decode_stills
from media.index import FrameIndex
from media.plan import plan_clip
from media.probe import probe
from media.remote import BLOCK_BYTES, KEPT_BLOCKS, RangedFile, RemotePath, Status, checked, place, spoken
from tests.media import media_fixtures as make
from tests.media.web import memory_files, reason


@pytest.fixture
def memory(monkeypatch):
    with memory_files(monkeypatch) as files:
        yield files


def grain(number, width, height):
    return np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """15 MB, with its table at the end."""
    path = tmp_path_factory.mktemp("large") / "large.mp4"
    return make.write_video(path, 240, (320, 240), options={"crf": "10", "bf": "2"}, draw=grain)


def same_pictures(path, local):
    facts = probe(path)
    assert facts == probe(local)
    plan = plan_clip(FrameIndex.from_row(facts), 4, mode="exact")
    ours, theirs = ({still.pts: still.picture for still in decode_stills(one, plan)} for one in (path, local))
    assert ours.keys() == theirs.keys() and len(ours) == 4
    assert all(np.array_equal(ours[pts], theirs[pts]) for pts in ours)


@pytest.mark.parametrize("name", ["a b.mp4", "deep/ü.mkv", "x.webm", "x.ts", "x.avi"])
def test_a_remote_file_gives_the_facts_and_pictures_of_a_local_one(web, tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    codec = "libvpx" if name.endswith("webm") else "libx264"
    local = make.write_video(tmp_path / name, 60, codec=codec)
    same_pictures(RemotePath(f"{web.url}/{name}".replace(" ", "%20")), local)


def test_a_filesystem_of_fsspec_gives_them_too(memory, large):
    memory.pipe("/bucket/large.mp4", large.read_bytes())
    same_pictures(RemotePath("memory://bucket/large.mp4"), large)


def test_a_probe_reads_the_table_and_not_the_file(web, tmp_path, large):
    (tmp_path / "large.mp4").write_bytes(large.read_bytes())
    size = large.stat().st_size
    assert size > 10 * BLOCK_BYTES
    facts = probe(RemotePath(f"{web.url}/large.mp4"))
    assert facts["frame_count"] == 240
    # FFmpeg looks at up to 5 MB of a file's beginning, and the table is at its end.
    assert web.sent <= 8 * BLOCK_BYTES < size / 1.9
    assert len(web.ranges[1:]) == len(set(web.ranges[1:]))  # after the one byte that tells the size nothing comes twice


class Held:
    """Ranges of bytes in memory."""

    def __init__(self, data):
        self.data, self.size, self.version, self.asked = data, len(data), "1", 0

    def read(self, start, end):
        self.asked += 1
        return self.data[start:end]


@given(
    st.binary(max_size=50), st.integers(1, 9), st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=9)
)
def test_any_reads_of_a_remote_file_are_those_of_the_bytes(data, block, reads):
    path = RemotePath("https://host/x")
    path.__dict__["ranges"] = Held(data)
    before, media.remote.BLOCK_BYTES = media.remote.BLOCK_BYTES, block
    try:
        with RangedFile(path) as handle:
            for at, count in reads:
                assert handle.seek(at) == at
                assert handle.read(count) == data[at : at + count]
                assert handle.tell() == at + len(data[at : at + count])
            assert handle.seek(0, os.SEEK_END) == len(data)
            handle.seek(0)
            assert handle.read() == data
        assert path.stat() == Status(len(data)) and len(path._blocks) <= KEPT_BLOCKS
    finally:
        media.remote.BLOCK_BYTES = before


@pytest.mark.parametrize(
    ("status", "expected", "tries"),
    [
        (404, "absent_file", 1),
        (410, "absent_file", 1),
        (401, "refused", 1),
        (403, "refused", 1),
        (503, "unreachable", 3),
    ],
)
def test_a_status_is_named_without_the_querys_secrets(web, status, expected, tries):
    web.fault = lambda name, start: status
    found, detail = reason(lambda: probe(RemotePath(f"{web.url}/x.mp4?signature=hidden")))
    assert found == expected and "/x.mp4" in detail and "hidden" not in detail and len(web.ranges) == tries


def test_what_passes_is_tried_again(web, tmp_path):
    local = make.write_video(tmp_path / "x.mp4")
    web.fault = lambda name, start: 503 if len(web.ranges) % 2 else None
    assert probe(RemotePath(f"{web.url}/x.mp4")) == probe(local)


def test_a_server_without_ranges_is_not_asked_for_the_whole_of_a_large_file(web, tmp_path, large):
    (tmp_path / "large.mp4").write_bytes(large.read_bytes())
    small = make.write_video(tmp_path / "small.mp4")
    web.ranged = False
    found, detail = reason(lambda: probe(RemotePath(f"{web.url}/large.mp4")))
    assert found == "no_ranges" and "copy the file" in detail
    assert probe(RemotePath(f"{web.url}/small.mp4")) == probe(small)  # its whole is no more than a part


def test_a_file_replaced_while_it_is_read_is_told(web, tmp_path, large):
    (tmp_path / "large.mp4").write_bytes(large.read_bytes())
    path = RemotePath(f"{web.url}/large.mp4")
    assert path.stat().st_size
    web.etag = '"two"'
    assert reason(lambda: probe(path))[0] == "changed"


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_server_that_dies_in_the_middle_is_the_reason_and_no_later_files(web, tmp_path, suffix, large):
    path = make.write_video(tmp_path / f"x.{suffix}", 120, (320, 240), options={"crf": "10"}, draw=grain)
    assert path.stat().st_size > 3 * BLOCK_BYTES
    web.fault = lambda name, start: b"short" if start >= BLOCK_BYTES else None
    assert reason(lambda: probe(RemotePath(f"{web.url}/x.{suffix}")))[0] == "unreachable"
    (tmp_path / "text.mp4").write_text("this is no video")
    assert reason(lambda: probe(tmp_path / "text.mp4"))[0] == "not_a_video"
    assert probe(large)["frame_count"] == 240


def test_frames_that_a_dead_server_keeps_back_are_no_damage_of_the_file(web, tmp_path, large):
    (tmp_path / "large.mp4").write_bytes(large.read_bytes())
    facts = probe(RemotePath(f"{web.url}/large.mp4"))
    middle = large.stat().st_size // 2
    web.fault = lambda name, start: 500 if middle < start < middle + 3 * BLOCK_BYTES else None
    plan = plan_clip(FrameIndex.from_row(facts), 8, mode="exact")
    assert reason(lambda: list(decode_stills(RemotePath(f"{web.url}/large.mp4"), plan)))[0] == "unreachable"


def test_broken_and_empty_remote_files_have_the_reasons_of_local_ones(web, tmp_path, memory):
    (tmp_path / "none.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("this is no video")
    good = make.write_video(tmp_path / "good.mp4")
    make.cut(good, tmp_path / "cut.mp4", 0.5)
    for name in ("none.mp4", "text.mp4", "cut.mp4"):
        local = reason(lambda: probe(tmp_path / name))  # noqa: B023 - asked at once
        assert reason(lambda: probe(RemotePath(f"{web.url}/{name}"))) == local  # noqa: B023
        memory.pipe(f"/bucket/{name}", (tmp_path / name).read_bytes())
        assert reason(lambda: probe(RemotePath(f"memory://bucket/{name}"))) == local  # noqa: B023
    assert reason(lambda: probe(RemotePath("memory://bucket/gone.mp4")))[0] == "absent_file"
    memory.mkdir("/bucket/folder")
    assert reason(lambda: probe(RemotePath("memory://bucket/folder")))[0] == "not_a_file"


@pytest.mark.parametrize("text", ["#EXTM3U\n#EXTINF:1,\nfile://{0}\n", "ffconcat version 1.0\nfile {0}\n"])
def test_a_remote_playlist_opens_nothing(web, tmp_path, text):
    inner = make.write_video(tmp_path / "inner.mp4")
    (tmp_path / "list.mp4").write_text(text.format(inner))
    assert reason(lambda: probe(RemotePath(f"{web.url}/list.mp4")))[0] == "not_a_video"


@pytest.mark.parametrize(
    "url",
    [
        *("file:///etc/passwd", "FILE:///etc/passwd", "local:///etc/passwd", "/etc/passwd", "", "x.mp4", "https:/x"),
        *("simplecache::file:///etc/passwd", "zip://x::https://host/y", "ftp://host/x", "data:video/mp4;base64,AA"),
        *("https://", "https:///x", "https://user:secret@host/x", "https://host:port/x", "https://[::1/x"),
        *(
            "https://ho st/a",
            "https://host/a\nb",
            "https://host\\@other/x",
            "https://host/\u202ex",
            "concat:/etc/passwd",
        ),
        *("memory://x", "sftp://host/x", "ssh://host/x", "github://x", "reference://x", "s3:bucket/x"),
    ],
)
def test_other_addresses_are_refused_everywhere_and_name_no_secret(url):
    with pytest.raises(ValueError, match="address ") as told:
        checked(url)
    assert "secret" not in str(told.value) and "\n" not in str(told.value)
    with pytest.raises(ValueError, match="address "):
        RemotePath(url)
    if "://" in url:
        assert reason(lambda: place(url))[0] == "unsafe_path" or url.startswith("/")


@given(st.text(max_size=60))
def test_no_text_whatever_is_opened_but_by_an_allowed_scheme(text):
    try:
        url = checked(text, ("https",))
    except ValueError as error:
        assert str(error).isprintable()
    else:
        assert url.lower().startswith("https://")
    assert spoken(f"https://user:secret@host/{text}?secret").startswith("https://host/")


def test_a_missing_package_is_named():
    program = """
import sys
sys.modules["s3fs"] = None
from media.probe import probe
from media.errors import MediaError
from media.remote import place
try:
    probe(place("s3://bucket/x.mp4"))
except MediaError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "missing_package: s3:// addresses need the package s3fs: pip install s3fs"


def test_opening_tells_a_failure_though_ffmpeg_had_none(web, tmp_path, large):
    (tmp_path / "large.mp4").write_bytes(large.read_bytes())
    path = RemotePath(f"{web.url}/large.mp4")

    def look():
        with opened(path):
            web.fault = lambda name, start: 500
            path.for_ffmpeg().seek(5 * BLOCK_BYTES)
            quiet = path.for_ffmpeg()
            quiet.seek(5 * BLOCK_BYTES)
            assert quiet.read(10) == b""

    assert reason(look)[0] == "unreachable"
