"""Good data keep their contract; each way of spoiling them is found by its name, and nothing else is."""

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from robots.contract_checks import (
    CONTRACT_RULES,
    AnotherRobot,
    action_findings,
    check_same_robot,
    contract_findings,
    statistics_findings,
)
from robots.contracts import CONTRACTS, contract_of
from robots.contracts.contract import Contract, Gripper
from robots.quantiles import StreamingQuantiles
from robots.statistics import Statistics, read_statistics

robots = some.sampled_from(list(CONTRACTS))
seeds = some.integers(0, 10_000)


def good(contract: Contract, seed: int, rows: int = 300) -> np.ndarray:
    """Poses between the example's quantiles, angles far from pi, a gripper that opens and closes."""
    random = np.random.default_rng(seed)
    low, high = np.array(contract.example.q01), np.array(contract.example.q99)
    turns = [3, 5]
    low[turns], high[turns] = np.maximum(low[turns], -1.2), np.minimum(high[turns], 1.2)
    states = random.uniform(low, high, (rows, len(low)))
    states[:, contract.gripper.index] = random.uniform(0, 1, rows) > 0.5
    return states


def counted(states: np.ndarray, contract: Contract) -> Statistics:
    names = contract.names if states.shape[1] == len(contract.names) else [f"joint_{n}" for n in range(states.shape[1])]
    one = StreamingQuantiles(names, contract.name)
    one.add(states)
    return one.statistics()


def rules(states: np.ndarray, contract: Contract) -> list[str]:
    return [one.rule for one in contract_findings(contract, counted(states, contract))]


def of_unit(unit: str, change: Callable[[np.ndarray], np.ndarray]):
    def spoil(states: np.ndarray, contract: Contract) -> np.ndarray:
        places = list(contract.indices(unit))
        states[:, places] = change(states[:, places])
        return states

    return spoil


def of_column(place: int, change: Callable[[np.ndarray], np.ndarray]):
    def spoil(states: np.ndarray, contract: Contract) -> np.ndarray:
        states[:, place] = change(states[:, place])
        return states

    return spoil


def normalised(states: np.ndarray, contract: Contract) -> np.ndarray:
    return counted(states, contract).normalised(states)


def twice(states: np.ndarray, contract: Contract) -> np.ndarray:
    return counted(states, contract).normalised(normalised(states, contract))


def joint_angles(states: np.ndarray, contract: Contract) -> np.ndarray:
    return np.random.default_rng(len(states)).uniform(-2.6, 2.6, states.shape)


SPOILT = {
    "a gripper that never closes": ("gripper_never_closes", of_column(6, lambda grip: 0 * grip)),
    "a gripper in metres": ("gripper_never_closes", of_column(6, lambda grip: 0.08 * grip)),
    "a gripper in percent": ("gripper_range", of_column(6, lambda grip: 100 * grip)),
    "centimetres": ("length_unit", of_unit("m", lambda metres: 100 * metres)),
    "millimetres": ("length_unit", of_unit("m", lambda metres: 1000 * metres)),
    "degrees": ("degrees", of_column(5, lambda yaw: np.degrees(yaw + 0.5 * (yaw > 0)))),
    "angles from 0 to 2 pi": ("angle_range", of_column(5, lambda yaw: yaw + np.pi)),
    "wrapped angles": ("wrapped_angles", of_column(5, lambda yaw: (yaw + 2 * np.pi) % (2 * np.pi) - np.pi)),
    "joints": ("joints", joint_angles),
    "seven joints and a gripper": ("joints", lambda states, _: np.column_stack([states, states[:, 6]])),
    "normalised": ("normalised_states", normalised),
    "normalised twice": ("normalised_states", twice),
    "a constant column": ("constant_column", of_column(1, lambda y: 0 * y + y[0])),
    "one value that is no number": ("not_finite", of_column(2, lambda z: np.where(np.arange(len(z)) == 7, np.nan, z))),
    "a place out of reach": ("out_of_reach", of_column(0, lambda x: x + 2)),
}


@given(robots, seeds)
def test_good_data_keep_their_contract(robot, seed):
    contract = contract_of(robot)
    assert rules(good(contract, seed), contract) == []


@pytest.mark.parametrize("way", SPOILT)
@settings(max_examples=25)
@given(robot=robots, seed=seeds)
def test_what_is_spoilt_is_found_by_its_name_and_nothing_else(way, robot, seed):
    contract, (rule, spoil) = contract_of(robot), SPOILT[way]
    assert rules(spoil(good(contract, seed), contract), contract) == [rule]


@pytest.mark.parametrize(
    ("robot", "other"),
    [("droid", "fetch"), ("fetch", "droid"), ("fetch", "microworld"), ("microworld", "droid"), ("microworld", "fetch")],
)
@given(seed=seeds)
def test_data_of_another_robot_are_found(robot, other, seed):
    contract = contract_of(robot)
    (found,) = contract_findings(contract, counted(good(contract_of(other), seed), contract))
    assert found.rule == "another_robot"
    assert other in found.message.rsplit(" fit ", 1)[1].split(" and ")


def test_errors_and_warnings_are_told_apart_and_have_the_figures():
    contract, states = contract_of("droid"), good(contract_of("droid"), 3)
    states[:, :3] *= 100
    (found,) = contract_findings(contract, counted(states, contract))
    assert found.refused
    assert found.message.startswith("x 27.")
    assert found.message.endswith("centimetres, it seems; the contract has metres")
    states = good(contract, 3)
    states[:, 6] = 0
    (found,) = contract_findings(contract, counted(states, contract))
    assert not found.refused
    assert found.message == "gripper 0 to 0: the contract's is 0 open, 1 closed"


def test_a_wide_turn_is_no_wrapped_angle_and_a_still_position_may_lie_within_statistics():
    droid, states = contract_of("droid"), good(contract_of("droid"), 3)
    states[:, 5] *= 2.4
    assert rules(states, droid) == []
    usual = Statistics(np.array(droid.example.q01), np.array(droid.example.q99))
    states[:, 1] = 0.1
    assert statistics_findings(droid, usual, counted(states, droid)) == []
    states[:, 1] = 0.6
    (found,) = statistics_findings(droid, usual, counted(states, droid))
    assert found.message.endswith("y 0.6 to 0.6")


def test_every_rule_that_is_found_is_listed():
    assert {rule for rule, _ in SPOILT.values()} < CONTRACT_RULES.keys()


def test_a_gripper_may_be_1_when_open():
    contract = replace(contract_of("fetch"), gripper=Gripper(6, open=1.0, closed=0.0))
    states = good(contract, 0)
    assert rules(states, contract) == []
    assert rules(normalised(states, contract), contract) == ["normalised_states"]
    found = action_findings(contract_of("microworld"), good(contract_of("microworld"), 0))
    assert found[0].message.startswith("the gripper is 0 in 5")
    states[:, 6] = 0.95
    assert rules(states, contract) == ["gripper_never_closes"]


def test_another_number_of_columns_is_refused():
    (found,) = action_findings(contract_of("droid"), np.zeros((4, 11, 8)))
    assert found.message.startswith("sizes [4, 11, 8]: the last must be 7 (x, y,")
    found = contract_findings(contract_of("droid"), Statistics(np.zeros(6), np.ones(6)))
    assert [one.rule for one in found] == ["column_count"]
    assert found[0].message.startswith("6 columns (no names): droid has 7 (x, y,")


@given(robots, seeds)
def test_actions_normalised_once_pass_and_others_are_found(robot, seed):
    contract = contract_of(robot)
    states = good(contract, seed)
    statistics = counted(states, contract)
    once = statistics.normalised(states)
    assert action_findings(contract, once) == []
    assert [one.rule for one in action_findings(contract, states)] == ["unnormalised_actions"]
    twice = statistics.normalised(once)
    assert [one.rule for one in action_findings(contract, twice)] == ["doubly_normalised_actions"]
    once[5, 2] = np.nan
    assert [one.message for one in action_findings(contract, once)] == ["z of row 5 is nan"]


def test_another_robots_statistics_are_refused_by_name_and_figures():
    droid, fetch = contract_of("droid"), contract_of("fetch")
    of_fetch = counted(good(fetch, 0), fetch)
    with pytest.raises(AnotherRobot, match=r"^statistics of fetch: x 1\.1.* to 1\.4.*; the data, of droid: x 0\.26"):
        check_same_robot(droid, of_fetch)
    check_same_robot(fetch, of_fetch)


@given(seeds)
def test_statistics_without_a_name_are_held_against_the_data(seed):
    droid, fetch = contract_of("droid"), contract_of("fetch")
    own = counted(good(droid, seed), droid)
    nameless = Statistics(np.array(fetch.example.q01), np.array(fetch.example.q99))
    (found,) = statistics_findings(droid, nameless, own)
    assert found.message.startswith("statistics of a robot that they do not name: x 1.182 to 1.486")
    assert statistics_findings(droid, Statistics(np.array(droid.example.q01), np.array(droid.example.q99)), own) == []
    (found,) = statistics_findings(droid, Statistics(np.zeros(8), np.ones(8)), own)
    assert "8 columns: droid has 7" in found.message


def droid_arrays(shared_data, name: str, split: str = "*") -> np.ndarray:
    folder = shared_data / "droid_sample" / "droid_subset" / "annotation"
    read = [json.loads(path.read_text())[name] for path in sorted(folder.glob(f"{split}/*.json"))]
    return np.concatenate([np.array(rows) for rows in read])


def test_the_droid_sample_keeps_its_contract(shared_data):
    contract, states = contract_of("droid"), droid_arrays(shared_data, "states")
    assert rules(states, contract) == ["wrapped_angles"]  # its roll, as published
    stat = read_statistics(shared_data / "droid_sample" / "dataset_meta_info" / "droid_subset" / "stat.json")
    assert statistics_findings(contract, stat, counted(states, contract)) == []
    assert action_findings(contract, stat.normalised(states)) == []


def test_the_joints_of_the_droid_sample_are_no_poses(shared_data):
    joints = droid_arrays(shared_data, "joints", "val")
    assert rules(joints, contract_of("droid")) == ["joints"]
    assert rules(joints[:, :7], contract_of("droid")) == ["joints"]


@pytest.mark.parametrize("name", ["fetch_lerobot_v3", "fetch_lerobot_v21"])
def test_the_fetch_samples_keep_their_contract(shared_data, name):
    import pyarrow.parquet as pq

    contract = contract_of("fetch")
    for column in (*contract.keys_of("lerobot").state, *contract.keys_of("lerobot").command):
        paths = sorted((shared_data / name / "data").rglob("*.parquet"))
        states = np.concatenate([np.stack(pq.read_table(path)[column].to_numpy()) for path in paths])
        assert rules(states, contract) == ["wrapped_angles"]  # the hand points down: roll and yaw jump together
        assert rules(states, contract_of("droid"))[0] == "another_robot"
