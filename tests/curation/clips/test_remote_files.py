"""A remote source's clips are those of a local folder; addresses that it may not open are rows."""

import sys

import pytest
from pydantic import TypeAdapter, ValidationError

from curation.clips.located import Addresses, located
from curation.clips.manifest import folder_candidates, probe_rows
from curation.clips.options import RemoteSource, Source
from curation.clips.remote_files import remote_candidates
from curation.frames.extract import extract_frames
from curation.frames.options import FramesOptions
from media.pool import MediaPool
from storage.files import PathOutsideRoot
from storage.journal import Journal
from tests.media import media_fixtures as make
from tests.media.web import memory_files, quickly

WEB = ["https", "http"]


@pytest.fixture
def videos(tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    make.write_video(folder / "a.mp4")
    make.write_video(folder / "b.mkv", frames=60)
    return folder


@pytest.fixture
def web(videos, monkeypatch):
    with quickly(videos, monkeypatch) as found:
        yield found


@pytest.fixture
def listing(tmp_path):
    def listing(*lines, schemes=WEB):
        (tmp_path / "urls.txt").write_text("# ours\n\n" + "\n".join(lines), "utf-8")
        with Journal(tmp_path / "digests.sqlite") as digests:
            return remote_candidates(RemoteSource(urls=str(tmp_path / "urls.txt"), schemes=schemes), digests)

    return listing


def rows_of(candidates, folder, state):
    with MediaPool(1) as pool, Journal(state / "probes.sqlite") as journal:
        return list(probe_rows(candidates, folder, journal, pool))


def frames_of(rows, source, out, shard="s00"):
    with MediaPool(1) as pool, Journal(out / f"{shard}.sqlite") as journal:
        return list(extract_frames(rows, source, out, shard, journal, FramesOptions(count=3, mode="exact"), pool))


def test_ids_facts_and_pictures_are_those_of_a_local_folder(web, videos, listing, tmp_path):
    with Journal(tmp_path / "local.sqlite") as digests:
        local = rows_of(folder_candidates(videos, False, digests), videos, tmp_path)
    source = Addresses(tuple(WEB))
    remote = rows_of(listing(f"{web.url}/a.mp4", f"{web.url}/b.mkv?sig=1"), source, tmp_path)
    differs = {"path", "digest", "samples"}
    told = [[{k: v for k, v in row.items() if k not in differs} for row in rows] for rows in (local, remote)]
    assert told[0] == told[1] and len(remote) == 2 and all(row["status"] == "kept" for row in remote)
    pictures = []
    for rows, place, name in ((local, videos, "ours"), (remote, source, "theirs")):
        (tmp_path / name).mkdir()
        frames = frames_of(rows, place, tmp_path / name)
        pictures.append([(one["frame_id"], (tmp_path / name / one["image"]).read_bytes()) for one in frames])
    assert pictures[0] == pictures[1] and len(pictures[0]) == 6


def test_an_untrusted_list_reaches_no_local_file_and_no_other_scheme(web, videos, listing, tmp_path):
    hostile = (
        *(f"file://{videos}/a.mp4", f"{videos}/a.mp4", f"simplecache::file://{videos}/a.mp4", "ftp://host/x.mp4"),
        *("s3://bucket/x.mp4", "https://user:secret@host/x.mp4", "memory://x.mp4", "x" * 9000),
    )
    rows = rows_of(listing(*hostile, f"{web.url}/a.mp4"), Addresses(tuple(WEB)), tmp_path)
    refused = [row for row in rows if row["status"] != "kept"]
    assert len(rows) == len(hostile) + 1 and len(refused) == len(hostile)
    assert {row["reason"] for row in refused} == {"outside_source"}
    assert len({row["clip_id"] for row in rows}) == len(rows)
    assert all(
        "should begin with one of https://, http://" in row["detail"] or "secret" not in str(row) for row in refused
    )
    assert "secret" not in str(rows) and {name for name, _ in web.ranges} == {"a.mp4"}


def test_a_table_that_was_changed_opens_nothing_else(videos, tmp_path, web, listing):
    (row,) = rows_of(listing(f"{web.url}/a.mp4"), Addresses(tuple(WEB)), tmp_path)
    for path in (f"file://{videos}/a.mp4", str(videos / "a.mp4"), web.url + "/a.mp4?sig=hidden"):
        schemes = ("s3",) if path.startswith("http") else tuple(WEB)
        (failed,) = frames_of([row | {"path": path}], Addresses(schemes), tmp_path)
        assert failed["reason"] == "unsafe_path" and "hidden" not in failed["detail"]
    with pytest.raises(PathOutsideRoot):  # nor has a local source's row an address
        located(videos, "../x.mp4")
    assert located(videos, "https://host/x.mp4").startswith(str(videos.resolve()))


def test_listing_again_asks_for_one_byte_a_file_and_a_new_version_is_looked_at(web, videos, listing):
    urls = (f"{web.url}/a.mp4", f"{web.url}/b.mkv")
    first, web.sent = listing(*urls), 0
    assert listing(*urls) == first and web.sent == 2
    web.etag = '"two"'
    again = listing(*urls)
    assert [one.clip_id for one in again] == [one.clip_id for one in first]
    assert all(one.digest != before.digest for one, before in zip(again, first, strict=True))


def test_a_dead_address_is_a_row_and_is_asked_again(web, videos, listing, tmp_path):
    urls = (f"{web.url}/gone.mp4?sig=hidden", f"{web.url}/a.mp4", f"{web.url}/b.mkv")
    web.fault = lambda name, start: 503 if name == "a.mp4" else None
    reasons = sorted(one.reason for one in listing(*urls))
    assert reasons == ["", "absent_file", "unreachable"]
    web.fault = lambda name, start: None
    found = listing(*urls)
    assert sorted(one.reason for one in found) == ["", "", "absent_file"] and "hidden" not in str(found)
    web.fault = lambda name, start: 503
    assert "unreachable" in [row["reason"] for row in rows_of(found, Addresses(tuple(WEB)), tmp_path)]
    web.fault = lambda name, start: None
    rows = rows_of(found, Addresses(tuple(WEB)), tmp_path)
    kept = [row for row in rows if row["status"] == "kept"]
    assert len(kept) == 2
    web.fault = lambda name, start: 503
    assert [one["reason"] for one in frames_of(kept, Addresses(tuple(WEB)), tmp_path)] == ["unreachable"] * 2
    web.fault = lambda name, start: None
    assert [one["reason"] for one in frames_of(kept, Addresses(tuple(WEB)), tmp_path)] == [""] * 6


def test_a_host_that_cannot_be_one_is_a_row_and_stops_no_other(web, listing):
    found = listing("https://a..b/x.mp4", f"{web.url}/a.mp4")
    assert sorted(one.reason for one in found) == ["", "unreachable"]


def test_a_list_may_begin_with_a_byte_order_mark_and_comments_alone_are_no_list(web, tmp_path):
    urls = tmp_path / "urls.txt"
    source = RemoteSource(urls=str(urls), schemes=WEB)
    with Journal(tmp_path / "digests.sqlite") as digests:
        urls.write_text(f"{web.url}/a.mp4\n", "utf-8-sig")
        assert [one.reason for one in remote_candidates(source, digests)] == [""]
        urls.write_text("# https://host/x.mp4\n  # another\n\n")
        with pytest.raises(ValueError, match="names no video"):
            remote_candidates(source, digests)


def test_when_no_address_answers_the_stage_stops_and_says_why(web, videos, listing):
    web.fault = lambda name, start: 503
    with pytest.raises(ValueError, match=r"none of 2 addresses can be read; the last one: unreachable: .*HTTP 503"):
        listing(f"{web.url}/a.mp4", f"{web.url}/b.mkv")


def test_copies_are_named_without_the_querys_secret(web, videos, listing):
    found = listing(f"{web.url}/a.mp4?sig=hidden1", f"{web.url}/a.mp4?sig=hidden2")
    assert [one.reason for one in found] == ["", "duplicate_id"]
    assert "a.mp4" in found[1].detail and "hidden" not in found[1].detail


@pytest.fixture
def memory(monkeypatch):
    with memory_files(monkeypatch) as files:
        yield files


def in_memory(folder, digests):
    source = RemoteSource(folder="s3://x").model_copy(update={"folder": folder, "schemes": ["memory"]})
    return remote_candidates(source, digests)


def test_a_remote_folder_is_listed_with_its_subfolders(memory, videos, tmp_path):
    memory.pipe("/bucket/videos/a.mp4", (videos / "a.mp4").read_bytes())
    memory.pipe("/bucket/videos/deep er/b #1?[x] %20.mkv", (videos / "b.mkv").read_bytes())
    memory.pipe("/bucket/videos/none.mp4", b"")
    memory.pipe("/bucket/videos/odd\\name.mp4", b"x")
    memory.pipe("/bucket/videos/notes.txt", b"x")
    memory.pipe("/bucket/other/c.mp4", b"x")
    with Journal(tmp_path / "digests.sqlite") as digests, Journal(tmp_path / "local.sqlite") as others:
        found = in_memory("memory://bucket/videos", digests)
        local = folder_candidates(videos, False, others)
        assert in_memory("memory://bucket/videos", digests) == found
        with pytest.raises(ValueError, match=r"'memory://bucket/nothing' holds no video|cannot be listed"):
            in_memory("memory://bucket/nothing", digests)
        memory.pipe("/bucket/texts/notes.txt", b"x")
        with pytest.raises(ValueError, match=r"'memory://bucket/texts' holds no video: 1 files"):
            in_memory("memory://bucket/texts", digests)
    assert [one.reason for one in found] == ["", "", "empty_file", "outside_source"]
    assert [one.path.split("bucket/")[1] for one in found[:3]] == [
        f"videos/{name}" for name in ("a.mp4", "deep er/b #1?[x] %20.mkv", "none.mp4")
    ]
    assert [one.clip_id for one in found[:2]] == [one.clip_id for one in local]


def test_a_missing_package_stops_the_stage_with_its_name(listing, monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(ValueError, match="s3:// addresses need the package s3fs: pip install s3fs"):
        listing("s3://bucket/x.mp4", schemes=["s3"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "either folder or urls"),
        ({"folder": "s3://x", "urls": "x.txt"}, "either folder or urls"),
        ({"folder": "s3://x", "schemes": ["file"]}, r"\['file'\]: use some of https, http"),
        ({"folder": "s3://x", "schemes": []}, "at least 1"),
    ],
)
def test_wrong_settings_are_refused(options, words):
    with pytest.raises(ValidationError, match=words):
        TypeAdapter(Source).validate_python({"kind": "remote"} | options)


def test_folders_that_cannot_be_listed_and_lists_that_cannot_be_read_say_so(tmp_path):
    with Journal(tmp_path / "digests.sqlite") as digests:
        for options, words in (
            ({"folder": "https://host/videos?sig=hidden"}, "folder 'https://host/videos': web servers list no folders"),
            ({"folder": "file:///etc"}, "should begin with one of"),
            ({"urls": str(tmp_path / "none.txt")}, "cannot be read as text"),
            ({"urls": "/dev/null"}, "names no video"),
        ):
            with pytest.raises(ValueError, match=words):
                remote_candidates(RemoteSource(**options), digests)
