"""The checks before a release see what is wrong, and a release that fails one does not happen."""

import json
import shutil
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.assembly.audit import counts_problems, drift, schema_problems, shard_problems, split_sizes
from curation.assembly.leaks import leaks

pytestmark = pytest.mark.slow


@pytest.fixture
def copied(small_store, tmp_path):
    """A copy of the small collection's tables, to be spoiled."""
    store, _ = small_store
    shutil.copytree(store.folder / "tables", tmp_path / "small" / "tables")
    return replace(store, root=tmp_path)


def rewrite(path, change) -> None:
    """Replaces a table by `change(table)`, footer kept."""
    table = pq.read_table(path)
    pq.write_table(change(table).replace_schema_metadata(table.schema.metadata), path)


def fullest(store, stage):
    return max(store.tables(stage), key=lambda path: pq.read_metadata(path).num_rows)


def test_a_sound_collection_has_no_problems(copied):
    assert counts_problems(copied) == schema_problems(copied.worldtasks) == shard_problems(copied) == []
    assert leaks(copied.worldtasks, copied.tables("clips")) == []
    assert set(split_sizes(copied.worldtasks)) == {"train", "bench"}


@pytest.mark.parametrize("stage", ["frames", "quality", "aesthetics", "screening", "tasks", "taxonomy"])
def test_a_lost_row_is_found_in_its_stage_and_shard(copied, stage):
    path = fullest(copied, stage)
    # All rows of one clip, since a clip that lost one of its frames still has the others.
    gone = pq.read_table(path)["clip_id"][0].as_py()
    rewrite(path, lambda table: table.filter(pa.compute.not_equal(table["clip_id"], gone)))
    problems = counts_problems(copied)
    assert any(f"{path.stem}: {stage} lost" in problem for problem in problems), problems


def test_a_stage_that_was_not_built_again_is_named(copied):
    path = fullest(copied, "quality")
    kept = pq.read_table(path)["status"].to_pylist().index("kept")
    statuses = pq.read_table(path)["status"].to_pylist()
    statuses[kept] = "rejected"
    column = pq.read_schema(path).get_field_index("status")
    rewrite(path, lambda table: table.set_column(column, "status", pa.array(statuses)))
    assert any(f"{path.stem}: aesthetics has 1 rows that quality did not keep" in p for p in counts_problems(copied))


def test_a_missing_shard_and_mixed_settings_are_told(copied):
    fullest(copied, "taxonomy").unlink()
    assert any("taxonomy: 1 of 8 shards are not built" in problem for problem in shard_problems(copied))
    assert any("taxonomy is missing" in problem for problem in counts_problems(copied))
    assert any("worldtasks has" in problem for problem in counts_problems(copied))


def test_a_repeated_id_a_null_and_a_foreign_split_are_told(copied):
    def spoil(table):
        rows = table.to_pylist()
        kept = [row for row in rows if row["status"] == "kept"]
        kept[1]["sample_id"] = kept[0]["sample_id"]
        kept[2]["task"] = None
        kept[3]["split"] = "validation"
        return pa.Table.from_pylist(rows, schema=table.schema)

    rewrite(copied.worldtasks, spoil)
    told = " ".join(schema_problems(copied.worldtasks))
    assert "1 sample ids appear twice" in told and "1 kept rows have no task" in told and "validation" in told


def checked(store):
    """The result of `no_leak`, which a release waits for."""
    import dagster as dg

    from assets.release.checks import no_leak
    from assets.support.resources import CollectionResource

    return no_leak(dg.build_asset_check_context(), CollectionResource(root=str(store.root), name=store.name))


def test_a_train_image_of_a_benchmark_clip_blocks_the_release(copied):
    def spoil(table):
        rows = table.to_pylist()
        lost = next(row for row in rows if row["reason"] == "bench_clip")
        lost |= {"status": "kept", "reason": "", "split": "train"}
        return pa.Table.from_pylist(rows, schema=table.schema)

    assert checked(copied).passed
    rewrite(copied.worldtasks, spoil)
    result = checked(copied)
    assert not result.passed and result.severity.name == "ERROR"
    assert "is in both splits" in result.description


def test_a_train_image_that_is_like_a_benchmark_image_is_shown_and_blocks_nothing(copied, small_store):
    def spoil(table):
        rows = table.to_pylist()
        bench = next(row for row in rows if row["split"] == "bench")
        train = next(row for row in rows if row["split"] == "train")
        # One bit of the perceptual hash differs: a near-duplicate, not a copy.
        train["phash"] = f"{int(bench['phash'], 16) ^ 1:016x}"
        return pa.Table.from_pylist(rows, schema=table.schema)

    shutil.copytree(small_store[0].folder / "frames", copied.folder / "frames")
    rewrite(copied.worldtasks, spoil)
    result = checked(copied)
    assert not result.passed and result.severity.name == "WARN"
    assert "is 1 bits from bench image" in result.description
    assert result.metadata["train beside bench"].value.startswith("![train images beside")


def test_a_benchmark_that_is_not_there_warns(copied):
    import dagster as dg

    from assets.release.checks import benchmark_size, minimum_size
    from assets.support.resources import CollectionResource
    from curation.assembly.options import WorldtasksOptions
    from curation.assembly.worldtasks import make_worldtasks

    collection = CollectionResource(root=str(copied.root), name=copied.name)
    assert benchmark_size(collection).passed
    make_worldtasks(copied, WorldtasksOptions(group_by="folder", copy_distance=None))
    result = benchmark_size(collection)
    assert not result.passed and result.severity.name == "WARN" and "are of one folder" in result.description
    assert minimum_size(dg.build_asset_check_context(), collection).passed


def test_an_older_collection_is_assembled_anew_and_its_stages_are_not(small_store, tmp_path, job_tools):
    """Its table was made by other code: the benchmark's rule is another one now."""
    import dagster as dg

    from assets.support.partitions import ALL_SHARDS
    from curation.stages import NAMES
    from pipelines.definitions import defs

    store, _ = small_store
    shutil.copytree(store.folder, tmp_path / "small", symlinks=True)
    old = replace(store, root=tmp_path)
    table = pq.read_table(old.worldtasks)
    meta = json.loads(table.schema.metadata[b"wmsd"]) | {"fingerprint": "of version 1"}
    for name in ("group_by", "copy_distance"):
        del meta["options"][name]
    pq.write_table(table.replace_schema_metadata({b"wmsd": json.dumps(meta)}), old.worldtasks)
    old.worldtasks_facts.write_text(
        '{"clusters": 1, "bench_target": 1, "excluded_by": "cluster", "removal_unmatched": 0}'
    )
    old.picture_hashes.unlink()
    before = {path: path.read_bytes() for stage in NAMES for path in old.tables(stage)}
    with dg.instance_for_test() as instance:
        result = defs.resolve_job_def("build_worldtasks").execute_in_process(
            run_config=job_tools[0](tmp_path), tags=ALL_SHARDS, instance=instance
        )
    assert result.success
    assert before == {path: path.read_bytes() for stage in NAMES for path in old.tables(stage)}
    made = {
        event.asset_key.path[0]: event.materialization.metadata for event in result.get_asset_materialization_events()
    }
    assert made["worldtasks"]["reused"].value is False
    assert old.worldtasks.read_bytes() == store.worldtasks.read_bytes()


def test_drift_is_told_beyond_the_tolerance_only():
    assert drift({"quality": 0.90, "tasks": 0.5}, {"quality": 0.94, "new": 1.0}, 0.05) == []
    assert drift({"quality": 0.90}, {"quality": 0.96}, 0.05) == ["quality keeps 90.0%, but the last release kept 96.0%"]


def test_a_release_that_is_too_small_is_not_published(small_store, tmp_path, job_tools):
    import dagster as dg

    from assets.support.partitions import ALL_SHARDS
    from pipelines.definitions import defs

    store, _ = small_store
    shutil.copytree(store.folder, tmp_path / "small", symlinks=True)
    shutil.rmtree(tmp_path / "small" / "published")
    config = job_tools[0](tmp_path)
    config["ops"]["worldtasks"] = {"config": {"min_train_pairs": 10**6}}
    with dg.instance_for_test() as instance:
        result = defs.resolve_job_def("build_worldtasks").execute_in_process(
            run_config=config, tags=ALL_SHARDS, instance=instance, raise_on_error=False
        )
    assert not result.success
    failed = {event.check_name for event in result.get_asset_check_evaluations() if not event.passed}
    assert failed == {"minimum_size"}
    assert not (tmp_path / "small" / "published").exists()


def of_checks(result) -> dict:
    return {event.check_name: event for event in result.get_asset_check_evaluations()}


def test_where_every_frame_is_rejected_the_check_says_what_was_lost_where_and_the_report_is_made(tmp_path, job_tools):
    import dagster as dg

    from assets.support.partitions import ALL_SHARDS, SHARDS
    from curation.report.summaries import funnel
    from curation.stages import tables_of
    from pipelines.definitions import defs
    from storage.collection import Store

    def run(config: dict):
        with dg.instance_for_test() as instance:
            return defs.resolve_job_def("build_worldtasks").execute_in_process(
                run_config=config, tags=ALL_SHARDS, instance=instance, raise_on_error=False
            )

    config = job_tools[0](tmp_path, clips=12)
    config["ops"]["quality"]["config"]["min_laplacian_var"] = 10**9
    result = run(config)
    store = Store(tmp_path, "small", tuple(SHARDS.get_partition_keys()))
    found = of_checks(result)
    assert not result.success and {name for name, check in found.items() if not check.passed} == {"minimum_size"}
    assert not store.published.exists()
    counts = {count.stage: count for count in funnel(tables_of(store))}
    quality, said = counts["quality"], found["minimum_size"].description
    assert quality.rows_in and not quality.kept and not counts["screening"].rows_in
    assert said.startswith("no pair is left: there is nothing to publish. Lost on the way: ")
    reasons = ", ".join(f"{reason} {count}" for reason, count in quality.reasons.items())
    assert f"quality {quality.rows_in} of {quality.rows_in} frames ({reasons})" in said
    assert "| quality (frames) |" in found["minimum_size"].metadata["funnel"].value
    assert found["minimum_size"].metadata["report"].value == str(store.report)
    page = store.report.read_text()
    assert "Not published:" in page and f"quality {quality.rows_in} of {quality.rows_in} frames" in page
    config["ops"]["quality"]["config"]["min_laplacian_var"] = 1.5
    assert run(config).success
    assert "Not published:" not in store.report.read_text()
    assert (store.latest.resolve()).name in store.report.read_text()


def test_a_leak_that_stops_a_release_stands_on_the_report(copied):
    (copied.folder / "report.html").write_text("of the release before")

    def spoil(table):
        rows = table.to_pylist()
        lost = next(row for row in rows if row["reason"] == "bench_clip")
        lost |= {"status": "kept", "reason": "", "split": "train"}
        return pa.Table.from_pylist(rows, schema=table.schema)

    rewrite(copied.worldtasks, spoil)
    result = checked(copied)
    assert not result.passed and result.metadata["report"].value == str(copied.report)
    page = copied.report.read_text()
    assert "Not published:" in page and "is in both splits" in page
