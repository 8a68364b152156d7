"""A small microworld collection, built once by the real job; tests look at what it left behind."""

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.started import started

# Runs the job in a process of its own, so that it can be killed: recipe on standard input, tags as the one argument.
# The instance stays, with its pools: what a killed run holds there must not stop the next one.
RUNNER = """
import json, os, sys
import dagster as dg
from pipelines.definitions import defs
config, tags = json.load(sys.stdin), json.loads(sys.argv[1])
selection = config.pop("selection", None)
home = config["resources"]["collection"]["config"]["root"] + "/instance"
os.makedirs(home, exist_ok=True)
pools = {"concurrency": {"pools": {"default_limit": 1, "granularity": "op"}}}
with dg.instance_for_test(overrides=pools, temp_dir=home) as instance:
    job = defs.resolve_job_def("build_worldtasks")
    if selection is not None:
        config["ops"] = {name: block for name, block in config["ops"].items() if name in selection}
    keys = [dg.AssetKey(name) for name in selection] if selection is not None else None
    job.execute_in_process(
        run_config=config, tags=tags, instance=instance, raise_on_error=True, asset_selection=keys
    )
"""


def small_recipe(root: Path, clips: int = 60) -> dict:
    """The default recipe in another folder, with two frames a clip. 60 clips hold every kind of bad one."""
    return {
        "resources": {"collection": {"config": {"root": str(root), "name": "small"}}, "vlm": {"config": {}}},
        "ops": {
            "clips": {"config": {"source": {"microworld": {"clips": clips, "seed": 1}}}},
            "frames": {"config": {"count": 2}},
            "quality": {"config": {"min_laplacian_var": 1.5}},  # as in recipes/microworld.yaml
        },
        "loggers": {"console": {"config": {"log_level": "WARNING"}}},
    }


def start_job(config: dict, tags: dict, repository: Path) -> subprocess.Popen:
    """`build_worldtasks` in a process group of its own."""
    import dagster as dg

    home = Path(config["resources"]["collection"]["config"]["root"], "instance")
    if not home.exists():
        # Dagster's SQLite files are made first: two processes that make them at once, or one that is killed at it,
        # would leave them half made.
        home.mkdir(parents=True)
        with dg.instance_for_test(temp_dir=str(home)) as instance:
            instance.get_runs()
            # The same holds for the pool's first row: two processes that add it at once meet Dagster 1.13's own race
            # (`NOT NULL constraint failed: concurrency_limits.concurrency_key`).
            instance.event_log_storage.set_concurrency_slots("gpu", 1)
    return started(RUNNER, config, repository, json.dumps(tags))


@pytest.fixture(scope="session")
def job_tools():
    return small_recipe, start_job


@pytest.fixture
def drawn_clips(small_store, tmp_path):
    """The microworld's clips lie in the small collection at `tmp_path` already: drawing them takes half of a run."""
    store, _ = small_store
    drawn = replace(store, root=tmp_path).microworld_clips
    shutil.copytree(store.microworld_clips, drawn, copy_function=os.link)


@pytest.fixture(scope="session")
def small_store(tmp_path_factory):
    """The store of the small collection after one whole run over all shards, and the run's result."""
    import dagster as dg

    from assets.support.partitions import ALL_SHARDS, SHARDS
    from pipelines.definitions import defs
    from storage.collection import Store

    root = tmp_path_factory.mktemp("data")
    with dg.instance_for_test() as instance:
        result = defs.resolve_job_def("build_worldtasks").execute_in_process(
            run_config=small_recipe(root), tags=ALL_SHARDS, instance=instance
        )
    return Store(root, "small", tuple(SHARDS.get_partition_keys())), result
