"""The release: loadable, checked, without what may not be shown, and the same bytes every time."""

import hashlib
import json
import os

import pyarrow.parquet as pq
import pytest
import yaml

from curation.assembly.assemble import assemble
from curation.assembly.options import WorldtasksOptions
from curation.frame_files import DamagedImage
from curation.release.options import PublishOptions
from curation.release.publish import publish_tree
from storage.files import PathOutsideRoot, sha256_file
from storage.tables import read_rows

FACTS = {
    "collection": "test",
    "source": "folder <script>alert(1)</script>",
    "vlm": "scripted",
    "scorer": "colorfulness",
    "prompts": {"screening": "aa11", "tasks": "bb22", "taxonomy": "cc33"},
    "options": {"quality": {"min_laplacian_var": 12.0}},
    "funnel": [{"stage": "clips", "rows_in": 50, "kept": 40, "rejected": 10, "reasons": {"absent": 10}}],
    "tokens": {"tasks": {"models": ["scripted"], "prompt_tokens": 5}},
    "keep_rates": {"clips": 0.8},
}


def published(collection, out, facts=FACTS, options=None, **assembly):
    table = collection.folder / "worldtasks.parquet"
    chosen = WorldtasksOptions(**assembly)
    assemble(*collection.write(), [], table, chosen, {"options": chosen.model_dump(mode="json")})
    manifest = publish_tree(table, collection.folder, out, facts, options or PublishOptions())
    return manifest, out / manifest["version"], list(read_rows(table))


def files(tree) -> dict[str, str]:
    return {path.relative_to(tree).as_posix(): sha256_file(path) for path in tree.rglob("*") if path.is_file()}


def lines(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


@pytest.mark.slow
def test_the_hubs_library_loads_every_config(forty, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    from datasets import load_dataset

    _, tree, rows = published(forty, tmp_path / "out")
    kept = {row["sample_id"]: row for row in rows if row["split"]}
    cache = str(tmp_path / "cache")
    images = load_dataset(str(tree), cache_dir=cache)  # the default
    train, bench = images["train"], images["bench"]
    ids = load_dataset(str(tree), "ids", cache_dir=cache)
    shown = {id for id, row in kept.items() if row["redistributable"]}
    assert {pair["id"] for split in images.values() for row in split for pair in row["pairs"]} == shown
    assert all(len(row["pairs"]) == 1 for row in bench)
    assert {*ids["train"]["id"], *ids["bench"]["id"]} == set(kept)
    assert train[0]["image"].size == (24, 24) and bench[0]["image"].size == (24, 24)
    assert all(kept[pair["id"]]["solution"] == pair["solution"] for row in bench for pair in row["pairs"])
    first = train[0]["pairs"][0]
    assert first["task"] == kept[first["id"]]["task"]


def test_the_authors_layout_holds_and_their_benchmark_has_no_solutions(forty, tmp_path):
    _, tree, rows = published(forty, tmp_path / "out", options=PublishOptions(images_per_folder=30))
    digests = {row["sample_id"]: row["image_sha256"] for row in rows}
    for split, keys in (("train", {"id", "task", "solution", "image"}), ("bench", {"id", "task", "image"})):
        for line in lines(tree / split / f"{split}.jsonl"):
            assert line.keys() == keys
            assert sha256_file(tree / split / line["image"]) == digests[line["id"]]
    folders = sorted(path.name for path in (tree / "train" / "images").iterdir())
    assert folders == ["shard_000", "shard_001", "shard_002"]
    assert all(len(list(folder.iterdir())) <= 30 for folder in (tree / "train" / "images").iterdir())


def test_no_pixel_of_a_source_that_forbids_it_is_anywhere_in_the_tree(forty, tmp_path):
    manifest, tree, rows = published(forty, tmp_path / "out")
    forbidden = [row for row in rows if not row["redistributable"]]
    pictures = [(forty.folder / row["image"]).read_bytes() for row in forbidden]
    for path in tree.rglob("*"):
        if path.is_file() and path.suffix in (".parquet", ".jpg"):
            data = path.read_bytes()
            assert not any(picture in data for picture in pictures), path
    assert manifest["images_with_pixels"]["train"] < manifest["images"]["train"]
    named = {line["id"] for split in ("train", "bench") for line in lines(tree / "ids" / f"{split}.jsonl")}
    assert named == {row["sample_id"] for row in rows if row["split"]}


def test_a_collection_without_any_permission_is_released_as_ids_alone(collection, scattered, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    from datasets import load_dataset

    for clip in range(20):
        collection.clip(f"c{clip:02d}", False, f"video{clip}", 100.0)
        collection.frame(f"c{clip:02d}", 1500, scattered(clip))
    _, tree, _ = published(collection, tmp_path / "out")
    assert {path.split("/")[0] for path in files(tree)} == {"README.md", "SHA256SUMS", "card", "ids", "manifest.json"}
    assert {path.name for path in (tree / "card").iterdir()} == {"taxonomy.png"}
    loaded = load_dataset(str(tree), cache_dir=str(tmp_path / "cache"))
    assert loaded["train"][0]["source_seconds"] == 101.5 and "image" not in loaded["train"].features


@pytest.mark.slow
def test_a_second_run_changes_no_byte_and_a_fresh_place_gets_the_same(forty, tmp_path):
    first, tree, _ = published(forty, tmp_path / "one")
    before, inode = files(tree), tree.stat().st_ino
    again, tree, _ = published(forty, tmp_path / "one")
    other, elsewhere, _ = published(forty, tmp_path / "two")
    assert first == again == other and files(tree) == before == files(elsewhere)
    assert tree.stat().st_ino == inode
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == [first["version"]]


def test_the_checksums_name_every_file_but_themselves(forty, tmp_path):
    _, tree, _ = published(forty, tmp_path / "out")
    listed = dict(reversed(line.split("  ", 1)) for line in (tree / "SHA256SUMS").read_text().splitlines())
    found = files(tree)
    del found["SHA256SUMS"]
    assert listed == found


def test_a_new_version_says_what_came_and_went(forty, scattered, tmp_path):
    out = tmp_path / "out"
    old, _, before = published(forty, out)
    (out / "latest").symlink_to(old["version"])
    forty.frame("clip900", 0, scattered(9999))
    new, _, after = published(forty, out)
    ids = [{row["sample_id"] for row in rows if row["split"]} for rows in (before, after)]
    assert new["version"] != old["version"]
    assert new["changelog"][0] == old["changelog"][0]
    entry = new["changelog"][1]
    assert (entry["added"], entry["removed"]) == (len(ids[1] - ids[0]), len(ids[0] - ids[1]))
    assert entry["since"] == old["version"]


def test_a_failed_release_leaves_the_last_one_and_no_rubbish(forty, tmp_path):
    manifest, tree, rows = published(forty, tmp_path / "out")
    before = files(tree)
    victim = next(row for row in rows if row["split"] == "train" and row["redistributable"])
    image = forty.folder / victim["image"]
    image.unlink()  # a new file, not a change inside the hard-linked one
    image.write_bytes(b"not this picture")
    with pytest.raises(DamagedImage, match=victim["frame_id"]):
        publish_tree(forty.folder / "worldtasks.parquet", forty.folder, tmp_path / "out", FACTS, PublishOptions())
    assert files(tree) == before
    assert os.listdir(tmp_path / "out") == [manifest["version"]]


@pytest.mark.slow
def test_what_a_killed_run_left_is_cleared_or_put_back(forty, tmp_path):
    out = tmp_path / "out"
    manifest, tree, _ = published(forty, out)
    before = files(tree)
    tree.rename(out / f".{manifest['version']}.replaced")  # killed between the two renames
    (out / ".release.abc.building" / "data").mkdir(parents=True)
    assert publish_tree(forty.folder / "worldtasks.parquet", forty.folder, out, FACTS, PublishOptions()) == manifest
    assert files(tree) == before and os.listdir(out) == [manifest["version"]]


def test_images_outside_the_collection_are_refused(collection, scattered, tmp_path):
    collection.frame("a", 0, scattered(1))
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(b"private")
    for row in collection.pairs:
        row |= {"image": "../secret.jpg", "image_sha256": hashlib.sha256(b"private").hexdigest()}
    with pytest.raises(PathOutsideRoot):
        published(collection, tmp_path / "out")


def test_hostile_names_and_words_stay_data(collection, scattered, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    from datasets import load_dataset

    evil = (
        "</td><script>alert('x')</script> | [a](javascript:b) ![c](http://d) `e` $f$ \u2028 \n# head\n---\n\U0001f600"
    )
    for clip in ("../../etc/passwd", 'q"uote<b>', "plain", "ünï"):
        collection.frame(clip, 0, scattered(len(clip)), text=evil)
    options = PublishOptions(title=evil[:100], contact=evil, license_name=evil)
    _, tree, rows = published(
        collection, tmp_path / "out", FACTS | {"vlm": evil, "scorer": evil}, options, bench_size=0
    )
    card = (tree / "README.md").read_text(encoding="utf-8")
    head, _, body = card.removeprefix("---\n").partition("\n---\n")
    assert yaml.safe_load(head)["license_name"] == evil
    assert not any(piece in body for piece in ("<script", "</td>", "](javascript", "](http://d", "\n# head"))
    told = [line for line in lines(tree / "train" / "train.jsonl") if evil in line["task"]]
    assert len(told) == len([row for row in rows if row["split"] == "train"])
    loaded = load_dataset(str(tree), cache_dir=str(tmp_path / "cache"))["train"]
    assert all(evil in pair["solution"] for row in loaded for pair in row["pairs"])
    names = sorted(path.name for path in (tree / "train" / "images" / "shard_000").iterdir())
    assert len(names) == 4 and sum(name.startswith("h-") for name in names) == 3


def test_parquet_files_stay_under_the_limit_with_small_row_groups(collection, tmp_path):
    from curation.release.images import GROUP_ROWS, ImageParquet, Picture, image_schema

    writer = ImageParquet(tmp_path, "bench", image_schema(), 10**6)
    pixels = os.urandom(9000)
    for number in range(350):
        row = {name: None for name in image_schema().names if name != "image"}
        row |= {"frame_id": str(number), "pairs": []}
        writer.add(Picture(tmp_path, pixels, "", f"{number}.jpg"), row)
    paths = writer.close()
    assert [path.name for path in paths] == [f"bench-{number:05d}-of-00004.parquet" for number in range(4)]
    assert all(path.stat().st_size <= 1.05 * 10**6 for path in paths)
    groups = [pq.ParquetFile(path).metadata for path in paths]
    assert all(g.row_group(i).num_rows <= GROUP_ROWS for g in groups for i in range(g.num_row_groups))
    ids = [id for path in paths for id in pq.read_table(path, columns=["frame_id"])["frame_id"].to_pylist()]
    assert ids == [str(number) for number in range(350)]


def test_a_release_may_leave_the_image_files_out(forty, tmp_path):
    _, tree, _ = published(forty, tmp_path / "out", options=PublishOptions(image_files=False))
    assert {path.name for path in tree.iterdir() if path.is_dir()} == {"card", "data", "ids"}


def test_nothing_to_publish_is_said(collection, tmp_path):
    with pytest.raises(ValueError, match="0 rows and none is kept"):
        published(collection, tmp_path / "out")
    assert list((tmp_path).glob("out/*")) == []


def test_the_card_tells_what_was_measured(forty, tmp_path):
    from huggingface_hub import DatasetCard

    manifest, tree, rows = published(forty, tmp_path / "out", options=PublishOptions(contact="removal@example.org"))
    card = DatasetCard.load(tree / "README.md")
    assert card.data.annotations_creators == ["machine-generated"] and card.data.size_categories == ["n<1K"]
    assert [config["config_name"] for config in card.data.to_dict()["configs"]] == ["images", "ids"]
    for words in ("bb22", "colorfulness", "80.0%", manifest["version"], "removal&#64;example.org", "at most 4 bits"):
        assert words in card.text, words
    train = sum(row["split"] == "train" for row in rows)
    assert f"| train | {train} |" in card.text
    assert (tree / "card" / "samples.jpg").exists() and str(tmp_path) not in card.text


def test_a_card_without_facts_says_so(forty, tmp_path):
    _, tree, _ = published(forty, tmp_path / "out", facts={})
    assert "not recorded" in (tree / "README.md").read_text()


def test_the_cards_settings_can_be_read_as_text(forty, tmp_path):
    hostile = "``` <script>alert(1)</script>\n````\n# not a heading & \u202e*bold*"
    facts = FACTS | {"options": {"quality": {"min_mean_luma": 20.0, "note": hostile}}}
    _, tree, _ = published(forty, tmp_path / "out", facts=facts)
    text = (tree / "README.md").read_text()
    settings = text.split("### Settings\n\n")[1].split("\n\n## ")[0]
    head, *lines, foot = settings.split("\n")
    fence = head.removesuffix("json")
    assert foot == fence == "`````" and not any(line.lstrip().startswith(fence) for line in lines)
    assert json.loads("\n".join(lines))["quality"] == {"min_mean_luma": 20.0, "note": hostile}
    assert all(line.isascii() for line in lines) and "&#" not in settings


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "apart by source video: no source video has frames in both splits"),
        ({"group_by": "clip"}, "no clip has frames in both splits. {} source videos have clips in both."),
        ({"bench_size": 0}, "This release has no benchmark."),
    ],
)
def test_the_card_says_how_the_split_was_made(forty, tmp_path, options, words):
    _, tree, rows = published(forty, tmp_path / "out", **options)
    train, bench = ({row["external_id"] for row in rows if row["split"] == split} for split in ("train", "bench"))
    assert words.format(len(train & bench)) in " ".join((tree / "README.md").read_text().split())
    assert bool(train & bench) == ("{}" in words)


def test_a_card_of_clips_without_sources_speaks_of_clips(forty, tmp_path):
    for number, clip in enumerate(forty.clips.values()):
        clip["external_id"] = clip["external_id"] if number < 4 else ""
    _, tree, rows = published(forty, tmp_path / "some")
    without = {row["clip_id"] for row in rows if row["split"] and not row["external_id"]}
    assert f"by clip for the {len(without)} clips that name none" in " ".join((tree / "README.md").read_text().split())
    for clip in forty.clips.values():
        clip["external_id"] = ""
    _, tree, _ = published(forty, tmp_path / "none")
    assert "since no clip names a source video: no clip" in " ".join((tree / "README.md").read_text().split())
