"""PersistWorld and its baselines on a tiny model of the real classes: what is rolled, scored, trained and written."""

import json
from collections import Counter

import numpy as np
import pytest
import torch

from evaluation.rollouts.closed_loop import ClosedLoop
from models.robot.build_robot_model import build_robot_model
from models.robot.checkpoint import options_for
from tests.training.robot_rig import Rig, make
from training.conditions.episodes import NoEpisodes, Place
from training.loop.session import run
from training.methods.asking import calls
from training.methods.budget import BACKWARD, evaluations, steps_at_equal_cost, true_chunks
from training.methods.prefix_contexts import PrefixContexts
from training.rewards.frames import FrameScorer
from training.rewards.protocol import Sampled
from training.world import World

BRANCH = {"rollout": {"chunks": 2, "prefix": {"most": 1}}}


@pytest.fixture(scope="module")
def rig(tmp_path_factory) -> Rig:
    return Rig(make(tmp_path_factory.mktemp("robot")))


def test_a_run_trains_scores_and_writes_a_whole_model(rig, tmp_path):
    options = rig.options(tmp_path)
    run(options, World())
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["held_out_episodes"] == 2 and set(scores["means"]) == {
        "base",
        "persistworld",
        "persistworld, last weights",
    }
    first = (tmp_path / "table.txt").read_text().splitlines()[0]
    assert "action-shuffle gap" in first  # whether the model follows actions is said first
    base = build_robot_model(options.model)
    for name in ("final", "best"):
        folder = tmp_path / name
        ours = build_robot_model(options_for(folder, dtype="float32", device="cpu", decode_chunk=3, sigma_max=20.0))
        apart = [
            key
            for key, tensor in ours.transformer.state_dict().items()
            if not torch.equal(tensor, base.transformer.state_dict()[key])
        ]
        assert any(key.startswith("action_encoder") for key in apart) and any("attn1.to_q" in key for key in apart)
        assert "# A robot world model" in (folder / "README.md").read_text()
        assert json.loads((folder / "statistics.json").read_text())["robot"] == "microworld"
    assert "lpips: off" in (tmp_path / "table.txt").read_text()


def test_a_resumed_run_is_the_uninterrupted_one(rig, tmp_path):
    whole, parts = rig.trainer(tmp_path / "whole"), rig.trainer(tmp_path / "parts")
    whole.run()
    parts.train_step(1)
    parts.state.step = 1
    parts.save()
    again = rig.trainer(tmp_path / "parts")
    assert again.state.restore()
    again.run()
    for ours, theirs in zip(whole.policies.parameters("executor"), again.policies.parameters("executor"), strict=True):
        assert torch.equal(ours, theirs)
    for kind in ("old", "scored"):
        ours, theirs = (one.state.learners["executor"].shadows[kind].tensors for one in (whole, again))
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("changes", [{}, BRANCH], ids=["one chunk", "two chunks"])
def test_a_step_makes_no_more_calls_than_plans_count(rig, tmp_path, changes):
    trainer = rig.trainer(tmp_path, **changes)
    before = [p.clone() for p in trainer.policies.parameters("executor")]
    metrics = trainer.train_step(1)
    planned = calls(trainer.options)
    assert set(trainer.predictor.calls) <= set(planned)
    assert all(count <= planned[key] for key, count in trainer.predictor.calls.items())
    assert trainer.predictor.calls["rollout", False] == planned["rollout", False]
    assert metrics["grad_norm"] > 0
    assert any(not torch.equal(a, b) for a, b in zip(before, trainer.policies.parameters("executor"), strict=True))
    # Exactly the best and the worst of each group are trained on, with all their chunks.
    rollout, rewards = trainer.options.rollout, trainer.options.rewards
    chosen = rollout.tasks * (rewards.best + rewards.worst) * rollout.chunks
    assert trainer.predictor.calls["executor", True] == chosen


def test_two_processes_roll_and_score_what_one_does(rig, tmp_path):
    """Places are shared out: what a group is does not depend on who has it."""
    trainer = rig.trainer(tmp_path)
    contexts = PrefixContexts(trainer.store, trainer.options)

    def roll(condition, seeds):
        return trainer.model.sample_chunk(condition, seeds, 2)

    both = contexts.of_step(3, (0, 1), roll)
    for place in (0, 1):
        alone = contexts.of_step(3, (place,), roll)
        for name, tensor in alone.conditions["executor"].tensors.items():
            torch.testing.assert_close(
                tensor[0], both.conditions["executor"].tensors[name][place], atol=1e-4, rtol=1e-4
            )


def test_a_context_is_what_a_closed_loop_has_reached(rig, tmp_path):
    """The condition behind a prefix equals that of evaluation's own rollouts, frames and ages."""
    trainer = rig.trainer(tmp_path)
    episodes, model = trainer.store, trainer.model
    episode = episodes.store.episode("train-a")
    loop = ClosedLoop(model, episodes.timing, 2)
    loop.begin(episodes.latents(episode, [0]), episodes.states(episode)[[0]])
    past = episodes.latents(episode, [0])[None]
    for chunk in range(3):
        place = Place(episode, 0, chunk)
        seen = {}
        context = model.context

        def noted(history, current, actions, texts=None, seen=seen, context=context):
            seen.update(context(history, current, actions, texts).tensors)
            return context(history, current, actions, texts)

        model.context = noted
        rows = episodes.timing.chunk_rows(0, chunk)[1:]
        made = loop.advance(episodes.states(episode)[rows][None], [chunk], [episode.text])
        model.context = context
        for name, tensor in episodes.condition([place], past).tensors.items():
            torch.testing.assert_close(tensor, seen[name])
        past = torch.cat([past, model.unstack(made)[:, 1:]], dim=1)


def test_prefixes_are_uniform_and_fit_their_episode(rig, tmp_path):
    trainer = rig.trainer(tmp_path, rollout={"prefix": {"most": 2}})
    contexts = PrefixContexts(trainer.store, trainer.options)
    places = [contexts.place(step, place) for step in range(400) for place in range(2)]
    counted = Counter(at.chunk for at in places)
    assert set(counted) == {0, 1, 2} and min(counted.values()) > 0.25 * len(places)
    timing = trainer.store.timing
    assert all(at.start in timing.starts(at.episode.n_rows, at.chunk + 1) for at in places)


def test_too_short_episodes_are_refused_and_never_clamped(rig, tmp_path):
    with pytest.raises(NoEpisodes, match=r"none allows 9 chunks, which need 19 rows; the longest has 17"):
        rig.trainer(tmp_path, rollout={"chunks": 9, "prefix": {"most": 0}})


def test_adapters_off_is_the_base_and_each_policy_has_its_own_action_encoder(rig, tmp_path):
    trainer = rig.trainer(tmp_path)
    base = build_robot_model(trainer.options.model)
    episode = trainer.store.store.episode("train-a")
    place = Place(episode, 0, 0)
    condition = trainer.store.condition([place], trainer.store.latents(episode, [0])[None])
    x, sigma = trainer.model.noise([1]), torch.tensor([1.0])
    old = trainer.state.learners["executor"].shadows["old"]

    def of(policy, shadow=None):
        return trainer.predictor.velocity(policy, x, sigma, condition, shadow=shadow)

    before, first = of("executor", old), of(None)
    assert torch.equal(first, base.velocity(x, sigma, condition).detach())
    with torch.no_grad():
        for name, parameter in trainer.policies.named("executor").items():
            if name.startswith("action_encoder"):
                parameter.add_(0.5)
    assert torch.equal(of(None), first) and torch.equal(of("executor", old), before)
    assert not torch.equal(of("executor"), before)


def test_rewards_are_means_over_frames_then_views_without_the_current_frame(rig, tmp_path):
    options = rig.options(tmp_path, rewards={"wrist_weight": 0.5}).rewards
    scorer = FrameScorer(options, ("external", "wrist"))
    assert scorer.rewards == ("ssim", "psnr")  # LPIPS is off by name: no backbone
    truth = torch.zeros(1, 3, 2, 16, 16, 3, dtype=torch.uint8)
    made = truth.clone()
    made[:, 0] = 255  # frame 0 is the current frame
    made[:, 1:, 0], made[:, 1:, 1] = 16, 64

    class Known:
        frames = truth

    batch = Sampled(slice(0, 1), made, ("",), (Known,), lambda clean: clean)
    psnr = [20 * np.log10(255 / off) for off in (16, 64)]
    found = scorer.submit(batch).result()["psnr"]
    torch.testing.assert_close(found, torch.tensor([(psnr[0] + 0.5 * psnr[1]) / 1.5], dtype=torch.float64))


def test_branches_of_several_chunks_share_their_reward(rig, tmp_path):
    scorer = FrameScorer(rig.options(tmp_path).rewards, ("external",))
    truth = torch.zeros(2, 3, 1, 16, 16, 3, dtype=torch.uint8)
    made = torch.zeros(4, 3, 1, 16, 16, 3, dtype=torch.uint8)
    made[1], made[2:] = 64, 16

    class Known:
        frames = truth

    found = scorer.submit(Sampled(slice(0, 4), made, ("",) * 2, (Known, Known), lambda clean: clean)).result()["psnr"]
    assert found[0] == found[1] and found[2] == found[3] and found[0] != found[2]


def test_methods_cost_the_same(rig, tmp_path):
    """Denoiser evaluations of a step, a backward pass being 2, by the formula and as counted."""
    fixed = {"rollout": {"prefix": {"kind": "fixed", "most": 2}}}
    trainer = rig.trainer(tmp_path / "ours", **fixed)
    trainer.train_step(1)
    made = sum(n * (1 + BACKWARD * grad) for (_, grad), n in trainer.predictor.calls.items())
    assert made == evaluations(trainer.options)
    forced = rig.trainer(tmp_path / "forced", method="teacher_forcing_longer", **fixed)
    forced.train_step(1)
    count = forced.predictor.calls["executor", True]
    assert count == true_chunks(forced.options) and abs(count * (1 + BACKWARD) - made) <= 1.5
    best = rig.options(tmp_path / "best", method="best_of_k_sft", **fixed)
    imitator = rig.trainer(tmp_path / "best", method="best_of_k_sft", **fixed)
    imitator.train_step(1)
    assert imitator.predictor.calls["executor", True] == best.rollout.tasks * best.rewards.best
    assert sum(n * (1 + BACKWARD * grad) for (_, grad), n in imitator.predictor.calls.items()) == evaluations(best)
    assert 0 <= steps_at_equal_cost(best) * evaluations(best) - best.run.steps * made < evaluations(best)


@pytest.mark.parametrize("method", ["teacher_forcing", "noisy_history", "best_of_k_sft"])
def test_baselines_train(rig, tmp_path, method):
    trainer = rig.trainer(tmp_path, method=method)
    assert trainer.train_step(1)["grad_norm"] > 0
