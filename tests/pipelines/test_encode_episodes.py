"""The real samples through the plain command, with a tiny random model of the real classes and no special case."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from models.robot.encode_options import EpisodeLatentsOptions
from models.robot.encoded_folder import encoded_folder
from robots.encoded import EpisodeStore
from robots.timing import Timing
from storage.collection import Store
from tests.models.robot.tiny import tiny_checkpoint

# Sample -> its source, how many episodes and rows it has, and the most chunks that an episode of it allows.
SAMPLES = {
    "droid": ({"layout": "ctrl_world", "path": "droid_sample/droid_subset", "robot": "droid"}, 7, 400, 22),
    "fetch_v30": ({"layout": "lerobot", "path": "fetch_lerobot_v3", "robot": "fetch"}, 24, 2213, 27),
    "fetch_v21": ({"layout": "lerobot", "path": "fetch_lerobot_v21", "robot": "fetch"}, 4, 396, 27),
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_checkpoint(tmp_path_factory.mktemp("tiny"))


def execute(recipe: dict, folder: Path, repository: Path) -> None:
    """`dagster job execute -j encode_episodes -c recipe.yaml`, without further flags."""
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    (folder / "home").mkdir(exist_ok=True)
    (folder / "home" / "dagster.yaml").touch()
    command = [str(Path(sys.executable).with_name("dagster")), "job", "execute", "-m", "pipelines.definitions"]
    done = subprocess.run(
        [*command, "-j", "encode_episodes", "-c", str(path)],
        cwd=repository,
        env=os.environ | {"DAGSTER_HOME": str(folder / "home")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.mark.slow
@pytest.mark.parametrize("sample", SAMPLES)
def test_a_real_sample_goes_through_the_job(sample, tiny, tmp_path, repository, shared_data):
    source, count, rows, chunks = SAMPLES[sample]
    path = shared_data / source["path"]
    if not path.is_dir():
        pytest.skip(f"{path} is not there")
    model = {"path": str(tiny), "height": 16, "width": 24, "dtype": "float32", "device": "cpu"}
    recipe = {
        "resources": {"collection": {"config": {"root": str(tmp_path), "name": sample}}},
        "ops": {
            "episodes": {"config": {"source": source | {"path": str(path)}}},
            "episode_latents": {"config": {"model": model}},
        },
    }
    execute(recipe, tmp_path, repository)
    collection = Store(tmp_path, sample, ())
    store = EpisodeStore(encoded_folder(collection, EpisodeLatentsOptions(model=model).model))
    episodes = store.episodes()
    assert (len(episodes), sum(one.n_rows for one in episodes), store.left_out) == (count, rows, [])
    assert (store.contract, store.views) == (source["robot"], ("external_1", "external_2", "wrist"))
    assert max(Timing().longest(one.n_rows) for one in episodes) == chunks
    longest = max(episodes, key=lambda one: one.n_rows)
    last = longest.n_rows - 1
    assert store.frames(longest.episode_id, [0, last]).shape == (2, 3, 16, 24, 3)
    assert store.latents(longest.episode_id, [last]).shape == (1, 3, 4, 8, 12)
    assert abs(store.statistics.normalised(longest.states)).max() <= 1
    assert json.loads(collection.episode_statistics.read_text())["count"] == sum(
        one.n_rows for one in episodes if one.split == "train"
    )
