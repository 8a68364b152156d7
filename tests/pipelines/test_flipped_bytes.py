"""A flipped bit in each kind of file of a finished collection: what is made next is a named error or the same bytes."""

import random
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from assets.support.partitions import ALL_SHARDS
from curation.stages import STAGES
from pipelines.definitions import defs
from storage.tables import KEPT, read_rows
from tests.pipelines.test_chain import digests

pytestmark = pytest.mark.slow
SHARD = "shard-0003"
UPSTREAM = {stage.name: stage.upstream for stage in STAGES if stage.upstream}
RELEASE = ("data/train-*.parquet", "ids/train.parquet", "train/train.jsonl", "manifest.json", "SHA256SUMS", "README.md")


@pytest.fixture
def copied(small_store, tmp_path):
    """A copy of the small collection, in which a picture of the release is still the same file as the frame's."""
    store, _ = small_store
    subprocess.run(["cp", "-a", store.folder, tmp_path / "small"], check=True)
    return replace(store, root=tmp_path)


@pytest.fixture
def make(copied, job_tools):
    """make(names): materializes these assets, all without any; (whether that worked, what was said)."""

    def run(*names: str) -> tuple[bool, str]:
        config = job_tools[0](copied.root)
        keys = [dg.AssetKey(name) for name in names] or None
        if names:
            config["ops"] = {name: block for name, block in config["ops"].items() if name in names}
        with dg.instance_for_test() as instance:
            result = defs.resolve_job_def("build_worldtasks").execute_in_process(
                run_config=config, tags=ALL_SHARDS, instance=instance, raise_on_error=False, asset_selection=keys
            )
        failures = [event.event_specific_data.error for event in result.all_events if event.is_step_failure]
        said = [(error.cause or error).message for error in failures]
        assert result.success or said
        return result.success, "\n".join(said)

    return run


def flip(path: Path, seed: int = 0) -> None:
    """Changes one bit in place, so that links to the file change with it."""
    data, chosen = bytearray(path.read_bytes()), random.Random(f"{path.name} {seed}")
    data[chosen.randrange(len(data))] ^= 1 << chosen.randrange(8)
    with path.open("r+b") as handle:
        handle.write(data)


def test_tables_and_notes_are_made_again_as_they_were(copied, small_store, make, caplog):
    paths = [copied.table(stage.name, SHARD) for stage in STAGES]
    paths += [copied.worldtasks, copied.worldtasks_facts, copied.picture_hashes, copied.latest_note]
    for path in paths:
        flip(path)
    assert make() == (True, "")
    assert digests(copied) == digests(small_store[0])
    for path in paths:
        assert f"{path} is damaged" in caplog.text


def test_what_journals_lost_is_done_again_with_the_same_rows(copied, small_store, make):
    """Their records have checksums: see tests/storage/test_damage.py. Tables are gone, so that journals are read."""
    for stage in ("clips", "frames", "screening", "tasks", "taxonomy"):
        for seed in range(5):
            flip(copied.journal(stage, SHARD), seed)
        copied.table(stage, SHARD).unlink()
    flip(copied.journal("clips", "digests"))
    assert make() == (True, "")
    assert digests(copied) == digests(small_store[0])


@pytest.mark.parametrize("stage", UPSTREAM)
def test_the_next_stage_alone_names_the_table_before_it(copied, small_store, make, stage):
    table, before = copied.table(stage, SHARD), copied.table(UPSTREAM[stage], SHARD)
    table.unlink()
    flip(before)
    worked, said = make(stage)
    assert not worked and f"{before} is damaged" in said
    assert f"materialize {UPSTREAM[stage]} of {SHARD}, which makes it again" in said and not table.exists()
    assert make(UPSTREAM[stage]) == make(stage) == (True, "")
    assert digests(copied) == digests(small_store[0])


@pytest.mark.parametrize("reader", ["quality", "aesthetics", "screening", "tasks", "worldtasks", "published_dataset"])
def test_a_picture_that_changed_is_named_and_decoded_again(copied, small_store, make, reader):
    row = next(row for row in read_rows(copied.worldtasks) if row["status"] == KEPT)
    picture = copied.folder / row["image"]
    shard = picture.parent.parent.name
    flip(picture)
    if reader == "worldtasks":  # pictures that it knows are not read again
        copied.picture_hashes.unlink()
        copied.worldtasks.unlink()
    elif reader == "published_dataset":
        shutil.rmtree(copied.published)
    else:
        copied.table(reader, shard).unlink()
    worked, said = make()
    assert not worked and f"{picture} is damaged" in said
    assert "It was removed: run again, and `frames` will make it again" in said and not picture.exists()
    assert make() == (True, "")
    assert digests(copied) == digests(small_store[0])


@pytest.mark.parametrize(
    ("kind", "remedy"), [("cuts/{}.json", "delete it"), ("collection.json", 'write {"shards": N}')]
)
def test_what_cannot_be_made_again_is_named_with_what_to_do(copied, small_store, make, kind, remedy):
    path = copied.folder / kind.format(SHARD)
    copied.table("aesthetics", SHARD).unlink()
    flip(path)
    worked, said = make()
    assert not worked and f"{path} is damaged" in said and remedy in said
    if "cuts" in kind:
        path.unlink()
    else:
        path.write_text(f'{{"shards": {len(copied.shards)}}}')
    assert make() == (True, "")
    assert digests(copied) == digests(small_store[0])


def test_no_file_of_a_release_changes_unnoticed(copied, small_store, make, caplog):
    """Neither a training nor the next build takes it for whole; the build makes the same bytes."""
    from assets.support.resources import CollectionResource, DatasetBuilder
    from assets.training.training_data import training_data

    class Builder(DatasetBuilder):
        """Is never asked: the training does not say `build_if_missing`."""

        def build(self, instance, recipe, root, name) -> None:
            raise AssertionError

    place = {"collection": CollectionResource(root=str(copied.root), name="small"), "dataset_builder": Builder()}
    for kind in (*RELEASE, "bench/images/*.jpg"):
        (path,) = sorted(copied.latest.resolve().glob(kind))[:1]
        if path.suffix == ".jpg":  # on its own, not the frame's file
            data = path.read_bytes()
            path.unlink()
            path.write_bytes(data)
        flip(path)
        caplog.clear()
        trained = dg.materialize([training_data], resources=place, raise_on_error=False)
        failure = trained.failure_data_for_node("training_data")
        assert "has no release" in failure.user_failure_data.description, kind
        assert "is damaged" in caplog.text and (path.name in caplog.text or kind == "SHA256SUMS"), kind
        assert make("published_dataset") == (True, ""), kind
        assert digests(copied) == digests(small_store[0]), kind
