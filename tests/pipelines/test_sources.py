"""The other sources through the whole job: MiraData, whose pixels are never published, and a folder of real clips."""

import json
from collections import Counter

import dagster as dg
import pytest

from assets.support.partitions import ALL_SHARDS, SHARDS
from pipelines.definitions import defs
from storage.collection import Store
from storage.tables import KEPT, read_rows
from tests.media.web import serving

pytestmark = pytest.mark.slow


def build(root, source: dict, vlm: dict | None = None, count: int = 2) -> Store:
    config = {
        "resources": {"collection": {"config": {"root": str(root), "name": "c"}}, "vlm": {"config": vlm or {}}},
        "ops": {"clips": {"config": {"source": source}}, "frames": {"config": {"count": count}}},
        "loggers": {"console": {"config": {"log_level": "WARNING"}}},
    }
    with dg.instance_for_test() as instance:
        job = defs.resolve_job_def("build_worldtasks")
        assert job.execute_in_process(run_config=config, tags=ALL_SHARDS, instance=instance).success
    return Store(root, "c", tuple(SHARDS.get_partition_keys()))


def test_miradata_gives_an_ids_only_release_without_a_single_pixel(tmp_path):
    import datasets

    from microworld.clips import make_clips

    folder = tmp_path / "clips"
    make_clips(folder, 5, 11)
    header = "index,video_id,start_frame,end_frame,short_caption,fps\n"
    lines = [f"00000000000{n}_abcdefghi-{n}-00000{n},abcdefghi-{n},300,390,A scene.,30\n" for n in range(7)]
    (tmp_path / "meta.csv").write_text(header + "".join(lines) + ",,,,,\n")
    for n, path in enumerate(sorted(folder.glob("*.mp4"))):
        path.rename(folder / f"00000000000{n}_abcdefghi-{n}-00000{n}.mp4")
    store = build(tmp_path, {"miradata": {"csv": str(tmp_path / "meta.csv"), "folder": str(folder)}}, count=4)
    reasons = Counter(row["reason"] for path in store.tables("clips") for row in read_rows(path, ["reason"]))
    assert reasons["absent"] == 2 and reasons["blank_row"] == 1
    tree = store.published / "latest"
    assert ".jpg" not in {path.suffix for path in tree.rglob("*")}
    assert not (tree / "data").exists() and not (tree / "train").exists()
    ids = datasets.load_dataset(str(tree.resolve()))["train"]
    assert ids[0]["external_id"].startswith("abcdefghi-")
    assert ids[0]["source_seconds"] == pytest.approx(10 + ids[0]["seconds"], abs=1e-3)
    assert "image" not in ids.column_names
    page = store.report.read_text()
    assert "absent" in page


def test_remote_videos_give_the_release_of_a_local_folder_and_are_asked_again(tmp_path, monkeypatch):
    from microworld.clips import make_clips

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    make_clips(tmp_path / "videos", 6, 11)
    names = sorted(path.name for path in (tmp_path / "videos").glob("*.mp4"))
    local = build(tmp_path / "local", {"folder": {"folder": str(tmp_path / "videos"), "redistributable": True}})
    with serving(tmp_path / "videos") as web:
        (tmp_path / "urls.txt").write_text("\n".join(f"{web.url}/{name}?sig=k3y0f1" for name in names))
        source = {"urls": str(tmp_path / "urls.txt"), "schemes": ["http"], "redistributable": True}
        web.fault = lambda name, start: 403 if name == names[0] else None
        store = build(tmp_path / "remote", {"remote": source})
        rows = [row for path in store.tables("clips") for row in read_rows(path)]
        assert [row["path"] for row in rows if row["reason"] == "refused"] == [f"{web.url}/{names[0]}"]
        assert "k3y0f1" not in store.report.read_text()
        web.fault = lambda name, start: None
        build(tmp_path / "remote", {"remote": source})
    sums = [(one.published / "latest" / "SHA256SUMS").read_text() for one in (local, store)]
    trees = [dict(reversed(line.split(maxsplit=1)) for line in text.splitlines()) for text in sums]
    pictures = [{name: digest for name, digest in tree.items() if name.endswith(".jpg")} for tree in trees]
    assert pictures[0] == pictures[1] and pictures[0]


def test_real_clips_go_through_the_whole_chain(tmp_path, shared_data):
    """Harsh files: one keyframe in the whole file, portrait, long. The tasks are placeholders and say so."""
    source = {"folder": {"folder": str(shared_data / "scene_clips"), "redistributable": True}}
    store = build(tmp_path, source, {"photo_tasks": True}, count=8)
    rows = [row for path in store.tables("frames") for row in read_rows(path)]
    assert len({row["clip_id"] for row in rows}) == 13
    assert len(rows) == 13 * 8 and all(row["status"] == KEPT for row in rows)
    manifest = json.loads((store.published / "latest" / "manifest.json").read_text())
    assert manifest["pairs"]["train"] > 100 and manifest["pairs"]["bench"] > 0
    assert "scripted/microworld-1+photo" in store.report.read_text()
    assert str(shared_data) not in (store.published / "latest" / "README.md").read_text()
