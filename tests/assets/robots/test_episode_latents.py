"""The asset `episode_latents` with a tiny random model of the real classes, in its own child process."""

import numpy as np
import pytest

from models.robot.encode_options import EpisodeLatentsOptions
from models.robot.encoded_folder import encoded_folder
from robots.encoded import EpisodeStore
from tests.assets.robots.conftest import VIEWS, write_source
from tests.models.robot.tiny import tiny_checkpoint


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    return tiny_checkpoint(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def encoding(rig, tiny):
    """The rig, told to encode with the tiny model; and the folder that it encodes into."""
    model = {"path": str(tiny), "height": 16, "width": 24, "dtype": "float32", "device": "cpu"}
    rig.config["episode_latents"] = {"model": model, "batch": 5}
    return rig, encoded_folder(rig.store, EpisodeLatentsOptions(model=model).model)


def test_the_job_encodes_every_view_once_and_again_only_what_is_new(encoding):
    rig, folder = encoding
    first = rig.metadata(rig.run(), "episode_latents")
    assert (first["episodes"], first["encoded"], first["reused"], first["left out"]) == (8, 8, 0, 0)
    assert all(0 < first[f"VAE alone, PSNR of {view} in dB"] < 60 for view in VIEWS)
    store = EpisodeStore(folder)
    assert store.version == first["dataset version"] and store.contract == "microworld" and store.views == VIEWS
    assert [one.episode_id for one in store.episodes("val")] == ["e3", "e7"]
    with np.load(rig.source / "episodes" / "e2.npz") as arrays:
        assert np.array_equal(store.frames("e2", [11, 0]), arrays["frames"][[11, 0]])
        assert np.array_equal(store.episode("e2").states, arrays["states"])
    assert store.latents("e2", [11, 0]).shape == (2, 3, 4, 8, 12)
    files = {path.name: path.stat().st_mtime_ns for path in (folder / "episodes").iterdir()}
    write_source(rig.source, 9)
    second = rig.metadata(rig.run(), "episode_latents")
    assert (second["episodes"], second["encoded"], second["reused"]) == (9, 1, 8)
    assert files.items() <= {path.name: path.stat().st_mtime_ns for path in (folder / "episodes").iterdir()}.items()
    assert EpisodeStore(folder).version != store.version


def test_a_damaged_picture_leaves_its_episode_out_by_name(encoding):
    rig, folder = encoding
    rig.run("episodes", "episode_statistics")
    (rig.source / "episodes" / "e6.npz").write_bytes(b"gone bad since")
    shown = rig.metadata(rig.run("episode_latents"), "episode_latents")
    assert (shown["encoded"], shown["left out"]) == (7, 1)
    assert [(one["episode_id"], one["rule"]) for one in shown["why left out"]] == [("e6", "damaged_video")]
    assert [one["episode_id"] for one in EpisodeStore(folder).left_out] == ["e6"]


def test_a_model_that_does_not_fit_is_named_before_anything_is_encoded(encoding):
    rig, folder = encoding
    rig.config["episode_latents"]["model"]["height"] = 17
    told = rig.failure(rig.run(fails=True), "episode_latents")
    assert "height" in told and not folder.exists()


def test_latents_need_statistics_first(encoding):
    rig, _ = encoding
    rig.run("episodes")
    assert "materialize episode_statistics" in rig.failure(rig.run("episode_latents", fails=True), "episode_latents")


def test_an_option_out_of_range_stops_the_run_at_its_start(encoding):
    rig, _ = encoding
    rig.config["episode_latents"]["batch"] = 0
    assert "ops.episode_latents.config.batch = 0" in rig.failure(rig.run(fails=True), "episodes")
