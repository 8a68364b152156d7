"""The release that training reads: pinned when it is there, refused with its cure or built when it is not."""

import dagster as dg
import pytest

from assets.support.resources import CollectionResource, DatasetBuilder
from assets.training.training_data import training_data
from curation.release.latest import find_release
from tests.training.conditions import release_fixtures as make


class Builder(DatasetBuilder):
    """Writes a release where the real one runs a job."""

    def build(self, instance, recipe, root, name) -> None:
        assert recipe.name == "microworld.yaml"
        make.write_release(make.store_at(make.Path(root)))


def run(store, **config) -> dg.ExecuteInProcessResult:
    collection = CollectionResource(root=str(store.root), name=store.name)
    return dg.materialize(
        [training_data],
        resources={"collection": collection, "dataset_builder": Builder()},
        run_config={
            "ops": {"training_data": {"config": config}},
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        },
        raise_on_error=False,
    )


def said(result: dg.ExecuteInProcessResult) -> str:
    return result.failure_data_for_node("training_data").user_failure_data.description


def test_the_latest_release_is_pinned(release_store):
    result = run(release_store)
    (event,) = result.get_asset_materialization_events()
    assert event.materialization.tags["dagster/data_version"] == make.VERSION
    assert event.materialization.metadata["bench pairs"].value == 2
    tree = release_store.published / make.VERSION
    assert release_store.pinned_release() == {"version": make.VERSION, "tree": str(tree)}


def test_an_older_release_can_be_chosen(release_store):
    make.write_release(release_store, version="ba9876543210", seed=3)
    assert run(release_store, version=make.VERSION).success
    assert release_store.pinned_release()["version"] == make.VERSION


def test_without_a_release_the_command_that_builds_it_is_the_error(tmp_path):
    store = make.store_at(tmp_path)
    result = run(store, recipe="recipes/folder.yaml")
    assert "Build it first: make build RECIPE=recipes/folder.yaml" in said(result)
    assert store.pinned_release() is None and not result.get_asset_materialization_events()


def test_a_recipe_that_says_so_builds_it_on_the_way(tmp_path):
    store = make.store_at(tmp_path)
    result = run(store, recipe="recipes/microworld.yaml", build_if_missing=True)
    (event,) = result.get_asset_materialization_events()
    assert event.materialization.metadata["built now"].value
    again = run(store, recipe="recipes/microworld.yaml", build_if_missing=True)
    assert not again.get_asset_materialization_events()[0].materialization.metadata["built now"].value


def test_a_release_that_lacks_a_file_is_no_release(release_store):
    (release_store.published / make.VERSION / "ids" / "train.jsonl").unlink()
    assert find_release(release_store, "") is None
    assert "has no release" in said(run(release_store))


@pytest.mark.parametrize("version", ["../../etc", "a/b", "."])
def test_a_version_that_is_no_folders_name_is_refused(release_store, version):
    with pytest.raises(ValueError, match="the name of a folder"):
        find_release(release_store, version)
