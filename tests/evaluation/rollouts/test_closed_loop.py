"""A rollout depends on its own start, poses and seeds; it is fed with its own frames and never with true ones."""

from itertools import islice

import numpy as np
import pytest
import torch

from evaluation.rollouts.closed_loop import ClosedLoop, Start, chunk_seed, first_latents, roll_out, starts_of
from robots.timing import Timing, TooShort

STEPS, SEED = 2, 3


def rolled(model, store, starts, timing, chunks=3, batch=8, **more):
    return list(roll_out(model, store, starts, chunks, timing, seed=SEED, steps=STEPS, batch=batch, **more))


class Watched:
    """A model that notes what it was asked to condition on, and what it sampled."""

    def __init__(self, model):
        self.model, self.asked, self.made = model, [], []

    def __getattr__(self, name):
        return getattr(self.model, name)

    def context(self, history, current, actions, texts):
        self.asked.append((history, current, actions, texts))
        return self.model.context(history, current, actions, texts)

    def sample_chunk(self, condition, seeds, steps):
        self.made.append(self.model.sample_chunk(condition, seeds, steps))
        return self.made[-1]


def test_frames_are_the_true_first_one_and_the_new_ones_of_each_chunk(tiny_model, store, timing):
    one = rolled(tiny_model, store, [Start("a", 2)], timing)[0]
    assert one.chunks.shape == (3, timing.frames, 3, 16, 24, 3) and one.chunks.dtype == np.uint8
    first = store.frames("a", [2])[0]
    frames = one.frames(first)
    assert len(frames) == timing.unique(3) == 7
    assert (frames[0] == first).all() and (frames[3] == one.chunks[1, 1]).all()


def test_a_chunk_is_conditioned_on_the_rollouts_own_latents_and_the_episodes_poses(tiny_model, store, timing):
    watched, start = Watched(tiny_model), Start("a", 1)
    rolled(watched, store, [start], timing, chunks=4)
    first = first_latents(store, [start])
    ends = {0: first} | {(n + 1) * timing.new: tiny_model.unstack(x)[:, -1] for n, x in enumerate(watched.made)}
    states = store.episode("a").states
    for chunk, (history, current, actions, texts) in enumerate(watched.asked):
        now = chunk * timing.new
        assert torch.equal(current, ends[now])
        assert torch.equal(history, torch.stack([ends[time] for time in timing.history_times(now)], 1))
        expected = store.statistics.normalised(states[timing.action_rows(1, chunk)])
        assert (actions[0].numpy() == expected).all()
        assert texts == ["text of a"]
    assert len({id(asked) for asked in watched.asked}) == 4


def test_a_rollout_is_the_same_in_any_batch(tiny_model, store, timing):
    starts = [Start("a", 0), Start("b", 3), Start("a", 4)]
    together = rolled(tiny_model, store, starts, timing)
    alone = rolled(tiny_model, store, starts[::-1], timing, batch=1)[::-1]
    for one, other in zip(together, alone, strict=True):
        assert one.start == other.start
        assert np.abs(one.chunks.astype(int) - other.chunks.astype(int)).max() <= 1  # rounding of pixels
        assert (one.chunks == other.chunks).mean() > 0.99


def test_branches_that_share_a_prefix_equal_rollouts_that_do_not(tiny_model, store, timing):
    """Two chunks once, then four branches; against each of them rolled out from the start."""
    start, prefix, branches = Start("a", 2), 2, 4
    poses = torch.from_numpy(store.statistics.normalised(store.episode("a").states[timing.rows(2, 3)]))[None]
    new = [poses[:, n * timing.new + 1 : (n + 1) * timing.new + 1] for n in range(3)]
    seeds = [[chunk_seed(branch, start, prefix)] for branch in range(branches)]

    def begun(steps=prefix):
        loop = ClosedLoop(tiny_model, timing, STEPS)
        loop.begin(first_latents(store, [start]), poses[:, 0])
        for chunk in range(steps):
            loop.advance(new[chunk], [chunk_seed(SEED, start, chunk)])
        return loop

    trunk = begun()
    shared = trunk.take([0] * branches)
    together = shared.advance(new[prefix].expand(branches, -1, -1), [one for [one] in seeds])
    apart = torch.cat([begun().advance(new[prefix], one) for one in seeds])
    rounding = 1e-6 * tiny_model.sigma_max  # float32 at the first noise level
    assert (together - apart).abs().max() < rounding < 0.01 * (together[0] - together[1]).abs().max()
    assert trunk.now == prefix * timing.new and shared.now == (prefix + 1) * timing.new  # the trunk saw none of it


def test_a_velocity_of_another_policy_is_rolled_out(tiny_model, store, timing):
    starts = [Start("b", 0)]
    own = rolled(tiny_model, store, starts, timing)[0]
    same = rolled(tiny_model, store, starts, timing, velocity=tiny_model.velocity)[0]
    other = rolled(tiny_model, store, starts, timing, velocity=lambda x, s, c: 0.9 * tiny_model.velocity(x, s, c))[0]
    assert (own.chunks == same.chunks).all()
    assert (own.chunks != other.chunks).mean() > 0.1


def test_shuffled_poses_change_the_rollout_and_not_its_noise(tiny_model, store, timing):
    watched = Watched(tiny_model)
    rolled(watched, store, [Start("a", 0)], timing, chunks=1, poses_of=[Start("b", 1)])
    expected = store.statistics.normalised(store.episode("b").states[timing.action_rows(1, 0)])
    assert (watched.asked[0][2][0].numpy() == expected).all()
    assert torch.equal(watched.asked[0][1], first_latents(store, [Start("a", 0)]))


def test_episodes_that_are_too_short_are_refused_before_anything_is_sampled(tiny_model, store, timing):
    watched = Watched(tiny_model)
    with pytest.raises(TooShort, match=r"episode short has 8 rows: a rollout of 4 chunks .* needs 9"):
        rolled(watched, store, [Start("a"), Start("short")], timing, chunks=4)
    with pytest.raises(TooShort, match=r"episode a from row 9: .* needs 9 rows and the episode has 17, so it starts"):
        rolled(watched, store, [Start("a", 9)], timing, chunks=4)
    assert not watched.asked


def test_starts_are_spread_over_each_episode_and_short_ones_have_none(store, timing):
    found = starts_of(store.episodes("val"), timing, 4, per_episode=3)
    assert found == [
        *(Start("a", row) for row in (0, 4, 8)),
        *(Start("b", row) for row in (0, 2, 5)),
        *(Start("c", row) for row in (0, 2, 4)),
    ]
    assert starts_of(store.episodes(), timing, 4) == [Start("a"), Start("b"), Start("c")]
    with pytest.raises(TooShort, match="the longest of 4 episodes, a, has 17 rows: a rollout of 9 chunks"):
        starts_of(store.episodes(), timing, 9)


def test_a_model_and_a_timing_of_other_lengths_and_other_latents_are_refused(tiny_model, store, timing):
    with pytest.raises(ValueError, match=r"the model has \(history, frames\) \(3, 3\), the timing \(6, 5\)"):
        rolled(tiny_model, store, [Start("a")], Timing())
    other = Watched(tiny_model)
    other.latents_identity = "another"
    with pytest.raises(ValueError, match=r"latents: the model has another, the episodes in .* have ctrl_world:"):
        list(islice(roll_out(other, store, [Start("a")], 1, timing, seed=0, steps=1, batch=1), 1))


def test_a_chunk_wants_a_pose_for_each_new_frame(tiny_model, timing, store):
    loop = ClosedLoop(tiny_model, timing, STEPS)
    loop.begin(first_latents(store, [Start("a")]), torch.zeros(1, 7))
    with pytest.raises(ValueError, match="3 poses a rollout: a chunk has 2 new frames"):
        loop.advance(torch.zeros(1, 3, 7), [0])
