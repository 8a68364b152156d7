"""Each robot's contract agrees with itself and with its example, and with the real files where they are there."""

import json

import numpy as np
import pytest

from microworld.robot import sizes
from robots.contracts import CONTRACTS, contract_of
from robots.statistics import Statistics, read_statistics

each = pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)


@each
def test_the_example_is_normalised_as_it_says(contract):
    example = contract.example
    statistics = Statistics(np.array(example.q01), np.array(example.q99))
    normalised = statistics.normalised(np.array(example.states))
    assert np.abs(normalised - example.normalised).max() < 6e-5  # given to four places
    inside = np.abs(example.normalised) < 1
    assert np.abs(statistics.restored(np.array(example.normalised)) - example.states)[inside].max() < 2e-4


@each
def test_a_contract_agrees_with_itself(contract):
    assert len(contract.names) == len(set(contract.names)) == 7
    assert contract.names[contract.gripper.index] == "gripper"
    assert contract.indices("m") == (0, 1, 2)
    assert contract.indices("rad") == (3, 4, 5)
    assert contract.views[-1] == "wrist"
    for keys in contract.keys.values():
        assert tuple(keys.views) == contract.views
    low, high = (np.array([getattr(column, side) for column in contract.columns]) for side in ("low", "high"))
    assert ((contract.example.states >= low) & (contract.example.states <= high)).all()


def test_the_robot_microworld_keeps_within_its_contract():
    contract = contract_of("microworld")
    assert contract.views == sizes.VIEWS
    assert contract.keys_of("microworld").fps == sizes.FPS
    for column, low, high in zip(contract.columns, sizes.LOW, sizes.HIGH, strict=True):
        assert column.low <= low <= high <= column.high


def test_a_robot_or_a_layout_that_is_not_known_is_refused_by_name():
    with pytest.raises(
        ValueError, match=r"^no robot 'spot' has a contract: droid, fetch, microworld have; robots/contr"
    ):
        contract_of("spot")
    with pytest.raises(ValueError, match=r"fetch has no keys for the layout ctrl_world, only for lerobot$"):
        contract_of("fetch").keys_of("ctrl_world")


def test_every_key_is_in_the_droid_sample(shared_data):
    folder = shared_data / "droid_sample" / "droid_subset"
    keys = contract_of("droid").keys_of("ctrl_world")
    said = json.loads((folder / "annotation" / "train" / "0.json").read_text())
    assert {*keys.state, *keys.command} <= said.keys()
    assert all((folder / "videos" / "train" / "0" / f"{name}.mp4").is_file() for name in keys.views.values())
    assert -(-len(said["action.gripper_position"]) // keys.command_every) == len(said["states"])
    assert np.allclose(np.round(said["states"][20], 4), contract_of("droid").example.states[1])
    path = shared_data / "droid_sample" / "dataset_meta_info" / "droid_subset" / "stat.json"
    assert np.allclose(read_statistics(path).q99, contract_of("droid").example.q99, atol=6e-5)


@pytest.mark.parametrize("name", ["fetch_lerobot_v3", "fetch_lerobot_v21"])
def test_every_key_is_in_the_fetch_samples(shared_data, name):
    info = json.loads((shared_data / name / "meta" / "info.json").read_text())
    contract = contract_of("fetch")
    keys = contract.keys_of("lerobot")
    assert {*keys.state, *keys.command, *keys.views.values()} <= info["features"].keys()
    assert tuple(info["features"][keys.state[0]]["names"]) == contract.names
    assert info["fps"] == contract.video_hz
