"""The world model as an environment: gymnasium's own check, and the same frames as a rollout's."""

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from evaluation.rollouts.closed_loop import Start, roll_out
from evaluation.rollouts.environment import WorldModelEnv, WorldModelVectorEnv
from robots.encoded import NotEncoded


@pytest.fixture
def env(tiny_model, store, timing):
    return WorldModelEnv(tiny_model, store, timing, chunks=2, steps=1, seed=5)


@pytest.mark.filterwarnings("ignore")
def test_gymnasiums_check_passes(env):
    check_env(env, skip_render_check=True)


def test_the_episodes_own_poses_give_the_rollouts_own_frames(env, tiny_model, store, timing):
    start = Start("a", 3)
    rolled = next(roll_out(tiny_model, store, [start], 2, timing, seed=5, steps=1, batch=1))
    observation, info = env.reset(options={"episode": "a", "start": 3})
    states = store.episode("a").states[timing.rows(3, 2)]
    assert (observation["wrist"] == store.frames("a", [3])[0, 2]).all() and info["text"] == "text of a"
    for chunk in range(2):
        poses = states[chunk * timing.new + 1 :][: timing.new]
        observation, reward, terminated, truncated, info = env.step(poses)
        assert (info["frames"] == rolled.chunks[chunk, 1:]).all()
        assert (observation["external_1"] == rolled.chunks[chunk, -1, 0]).all()
        assert (observation["state"] == poses[-1]).all()
        assert (reward, terminated, truncated) == (0.0, False, chunk == 1)
    with pytest.raises(ValueError, match="2 chunks are over, or none began: reset first"):
        env.step(poses)


def test_a_single_pose_is_reached_on_a_straight_line(env, tiny_model, store, timing):
    _, _ = env.reset(options={"episode": "b"})
    goal, begin = np.full(7, 0.5), store.episode("b").states[0]
    env.step(goal)
    found = env.worlds.loop.poses[1].numpy()[0]
    assert np.allclose(found, store.statistics.normalised((begin + goal) / 2), atol=1e-6)


def test_many_worlds_are_one_batch_and_equal_single_ones(env, tiny_model, store, timing):
    many = WorldModelVectorEnv(2, tiny_model, store, timing, chunks=1, steps=1, seed=5)
    many.reset(options={"episodes": ["a", "b"], "starts": [3, 1]})
    actions = np.random.default_rng(0).normal(size=(2, timing.new, 7))
    observation, rewards, _, truncated, _ = many.step(actions)
    assert truncated.all() and not rewards.any() and many.observation_space.contains(observation)
    env.reset(options={"episode": "b", "start": 1})
    alone = env.step(actions[1])[0]
    assert np.abs(alone["wrist"].astype(int) - observation["wrist"][1]).max() <= 1


def test_what_cannot_be_done_is_said(env):
    with pytest.raises(NotEncoded, match=r"has no episode '\.\./x'"):
        env.reset(options={"episode": "../x"})
    with pytest.raises(IndexError, match="has no row 99"):
        env.reset(options={"episode": "a", "start": 99})
    with pytest.raises(ValueError, match=r"reset options \['row'\] are not known"):
        env.reset(options={"row": 1})
    env.reset(options={"episode": "a"})
    with pytest.raises(
        ValueError, match=r"actions have the shape \[1, 3\]: give a pose \[1, 7\] or a chunk \[1, 2, 7\]"
    ):
        env.step(np.zeros(3))
    with pytest.raises(ValueError, match="is nan: a finite number is needed"):
        env.step(np.full(7, np.nan))
