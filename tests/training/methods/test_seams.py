"""What a second paper moves into: contexts that are rolled out, scorers of its own, levels, several updates on the same
rollouts, tensors trained whole, another optimizer, a model in another parametrisation."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.video.protocol import Condition
from models.vlm.failures import TooManyFailures
from tests.models.video.tiny_edm import TinyEDM
from tests.training import rig, tiny_run
from tests.training.planning.test_plan import small_model
from training.loop.trainer import Trainer
from training.methods.asking import asking_in, calls, calls_of_run
from training.methods.contexts import Context, PairContexts
from training.methods.rounds import ROUNDS, round_of
from training.planning.flops import compute
from training.planning.gpus import gpu_named
from training.rewards.protocol import Sampled, Scores
from training.world import World

NFT = {"kind": "nft", "timesteps": 2, "old_decay_rate": 0.2}
LOG_NORMAL = {"levels": "log_normal", "level_mean": 0.7, "level_std": 1.6, "level_each": True}


def edm(**given) -> Trainer:
    """A trainer on a tiny model in the EDM parametrisation."""
    model = {"kind": "wan", "path": "-", "frames": 8, "height": 16, "width": 16, "fps": 4.0, "dtype": "float32"}
    return rig.trainer(TinyEDM(), rig.options(model=model, **given))


# -- a model in another parametrisation -------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["wmsd", "rl_only", "off_policy"])
def test_methods_that_roll_out_train_an_edm_model(method):
    objective = NFT | LOG_NORMAL if method in ("wmsd", "rl_only") else {"kind": "awm", "timesteps": 2}
    trainer = edm(method=method, objective=objective, distill={"timesteps": 2, "flow_time": False})
    before = {name: tiny_run.adapter(trainer, name) for name in trainer.state.learners}
    for step in (1, 2):
        metrics = trainer.train_step(step)
        assert all(np.isfinite(value) for value in metrics.values()), metrics
    assert metrics["grad_norm"] > 0
    assert all(not tiny_run.same(before[name], tiny_run.adapter(trainer, name)) for name in before)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"method": "dmd"}, "method dmd needs the straight path"),
        ({"method": "sft"}, "method sft needs the straight path"),
        ({"objective": {"kind": "awm", "levels": "logit_normal"}}, "logit_normal needs the straight path"),
    ],
)
def test_what_holds_on_the_straight_path_alone_is_refused_elsewhere(told, words):
    with pytest.raises(ValueError, match=f"{words} of flow models, but TinyEDM has another one"):
        edm(**told)


def test_levels_above_1_are_refused_on_a_flow_model(tiny_bench, tmp_path):
    with pytest.raises(ValueError, match="levels end at 1: use logit_normal"):
        tiny_bench.trainer(tmp_path / "run", objective={"kind": "awm", "levels": "log_normal"})


# -- contexts ---------------------------------------------------------------------------------------------------------


class AfterAPrefix:
    """Contexts that begin where a rollout of the policy itself ended: its last frame is the next first frame."""

    def __init__(self, trainer: Trainer):
        self.model, self.pairs = trainer.model, PairContexts(trainer.store, 0, trainer.options.rollout.tasks)
        self.reached: list[torch.Tensor] = []

    def of_step(self, step: int, places: Sequence[int], roll) -> Context:
        told = self.pairs.of_step(step, places, roll)
        seeds = [1000 * step + place for place in places]
        last = self.model.decode(roll(told.conditions["executor"], seeds))[:, -1]
        self.reached.append(last)
        image = self.model.encode_image(last)
        conditions = {
            role: Condition({**condition.tensors, **image.tensors}) for role, condition in told.conditions.items()
        }
        return Context(conditions, told.texts)


def after_prefixes(**given) -> tuple[Trainer, AfterAPrefix]:
    trainer = edm(**given)
    contexts = AfterAPrefix(trainer)
    parts = replace(trainer.parts, contexts=contexts)
    return Trainer(trainer.options, TinyEDM(), trainer.store, parts, rig.Silent(), World()), contexts


def with_prefixes(monkeypatch, method: str, count: int = 1) -> None:
    """The method's rounds begin with prefixes, as those of a method for robots do."""
    monkeypatch.setitem(ROUNDS, method, tuple(replace(part, prefixes=count) for part in ROUNDS[method]))


@pytest.mark.parametrize("method", ["rl_only", "on_policy_anchor", "off_policy", "off_policy_teacher_rl"])
def test_plans_count_the_calls_of_contexts_that_are_rolled_out(monkeypatch, method):
    with_prefixes(monkeypatch, method)
    objective = NFT if method == "rl_only" else {"kind": "awm", "timesteps": 2}
    trainer, _ = after_prefixes(
        method=method, objective=objective, run={"steps": 2}, distill={"timesteps": 2, "flow_time": False}
    )
    sizes, steps = trainer.options.rollout, trainer.options.rollout.steps
    for step in (1, 2):
        before = trainer.predictor.calls.copy()
        trainer.train_step(step)
        made = trainer.predictor.calls - before
        assert made["prefix", False] == sizes.tasks * steps
        assert made == calls(trainer.options, step)
    assert trainer.predictor.calls == calls_of_run(trainer.options)


def test_prefixes_cost_time_in_plans(monkeypatch):
    options = rig.options(method="rl_only")
    plain = compute(small_model(), options, 1, gpu_named("h100"), 0.45, ("to_q",))["step"]
    with_prefixes(monkeypatch, "rl_only", 3)
    found = compute(small_model(), options, 1, gpu_named("h100"), 0.45, ("to_q",))["step"]
    groups, group = options.rollout.tasks, options.rollout.group
    share = 1 + 3 * groups / (groups * group)
    for phase in ("rollout", "decode"):
        assert found[phase]["flops"] == pytest.approx(share * plain[phase]["flops"])
    assert found["update"] == plain["update"]


def test_a_context_may_roll_out_no_more_prefixes_than_plans_count():
    trainer, _ = after_prefixes(method="rl_only", objective=NFT)
    with pytest.raises(ValueError, match=r"contexts roll out 2 prefixes for 2 groups: at most 0 .* method rl_only"):
        trainer.train_step(1)


def test_a_context_may_be_rolled_out_by_the_policy_whose_step_it_is(monkeypatch):
    with_prefixes(monkeypatch, "rl_only")
    trainer, contexts = after_prefixes(method="rl_only", objective=NFT)
    for _ in range(2):
        trainer.train_step(1)
    first, again = contexts.reached
    assert first.shape == (trainer.options.rollout.tasks, 16, 16, 3)
    assert not torch.equal(first, again), "the policy has learned in between, and with it where its prefix leads"


# -- scorers ----------------------------------------------------------------------------------------------------------


class Redness:
    """A scorer of pixels: reward `task` is the mean of the red channel; it is shown each batch once."""

    rewards, measured, max_failed_share = ("task",), ("spread_of_pixels",), 0.5

    def __init__(self, lost: int = 0):
        self.lost, self.shown = lost, []

    def submit(self, batch: Sampled):
        assert batch.videos is batch.videos, "decoded once"
        self.shown.append((batch.rows, batch.texts))
        return Ready(batch.videos.double())

    def collect(self, rollouts, pending, heed) -> Scores:
        pixels = torch.cat([one.result() for one in pending])
        red = pixels[..., 0].mean(dim=(1, 2, 3))
        red[: self.lost] = torch.nan
        return Scores({"task": red}, {"spread_of_pixels": pixels.flatten(1).std(1)}, "no colours")

    def summary(self, rewards) -> dict[str, float]:
        return {"redder_than_grey": float((rewards["task"] > 127).double().mean())}


class Ready:
    def __init__(self, value):
        self.value = value

    def wait(self, seconds: float) -> bool:
        return True

    def result(self):
        return self.value


def test_a_scorer_gives_rewards_measures_and_metrics_of_its_own():
    trainer = edm(method="rl_only", rewards={"consistency": 0.0})
    scorer = trainer.method.given.scorers["judge"] = Redness()
    metrics = trainer.train_step(1)
    assert [rows for rows, _ in scorer.shown] == [slice(0, 4), slice(4, 6)]
    assert [len(texts) for _, texts in scorer.shown] == [4, 2]
    assert metrics["reward"] == metrics["reward/task"] and metrics["spread/task"] > 0
    assert metrics["spread_of_pixels"] > 0 and 0 <= metrics["redder_than_grey"] <= 1
    assert metrics["judge/failed_share"] == 0 and metrics["grad_norm"] > 0


def test_a_scorer_that_fails_too_often_ends_the_run_by_its_name():
    trainer = edm(method="rl_only", rewards={"consistency": 0.0})
    trainer.method.given.scorers["judge"] = Redness(lost=2)
    assert trainer.train_step(1)["judge/failed_share"] == pytest.approx(2 / 6)
    trainer.method.given.scorers["judge"] = Redness(lost=4)
    with pytest.raises(TooManyFailures, match=r"task 4 of 6, at most 50% may. The last error: step 2: no colours"):
        trainer.train_step(2)


# -- several updates on the same rollouts -----------------------------------------------------------------------------

OBJECTIVES = {
    "awm": {"kind": "awm", "timesteps": 2},
    "flow_grpo": {"kind": "flow_grpo", "window": [0, 3]},
    "nft": {"kind": "nft", "timesteps": 2},
}


def updated(bench, output, objective: dict, updates: int, lr: float = 1e-2, **changes):
    rollout = {"updates_per_rollout": updates}
    told = {"rollout": rollout, "optimizer": {"lr": lr}, **changes}
    trainer = bench.trainer(output, told, method="rl_only", objective=objective)
    return trainer, trainer.train_step(1)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_updates_on_the_same_rollouts_cost_passes_and_no_rollouts(tiny_bench, tmp_path, name):
    trainer, _ = updated(tiny_bench, tmp_path / "run", OBJECTIVES[name], 3)
    assert trainer.predictor.calls == calls(trainer.options)
    assert trainer.predictor.calls["rollout", False] == 6 * 4
    one, _ = updated(tiny_bench, tmp_path / "one", OBJECTIVES[name], 1)
    assert trainer.predictor.calls["executor", True] == 3 * one.predictor.calls["executor", True]
    assert not tiny_run.same(tiny_run.adapter(one), tiny_run.adapter(trainer))


@pytest.mark.parametrize("name", ["awm", "flow_grpo"])
def test_ratios_are_1_in_the_first_update_and_leave_it_in_the_second_where_the_clip_counts(tiny_bench, tmp_path, name):
    def metrics(folder: str, updates: int, clip: float) -> tuple:
        return updated(tiny_bench, tmp_path / folder, OBJECTIVES[name] | {"clip": clip}, updates)

    _, first = metrics("first", 1, 1.0)
    assert first.get("ratio_apart", 0.0) == pytest.approx(0.0, abs=1e-6)
    wide, twice = metrics("wide", 3, 1.0)
    assert twice["ratio_apart"] > 1e-6
    narrow, _ = metrics("narrow", 3, 1e-9)
    single, _ = metrics("single", 1, 1e-9)
    assert not tiny_run.same(tiny_run.adapter(wide), tiny_run.adapter(narrow)), "clipped ratios give no gradient"
    assert tiny_run.same(tiny_run.adapter(metrics("same", 1, 1.0)[0]), tiny_run.adapter(single)), "on policy none is"


# -- noise levels -----------------------------------------------------------------------------------------------------


def test_levels_off_the_grid_may_differ_by_rollout_and_are_the_same_for_any_process_count(tiny_bench, tmp_path):
    objective = {"kind": "awm", "timesteps": 3, "levels": "logit_normal", "level_each": True}
    found = []
    for world in (World(), World(1, 2)):
        trainer = tiny_bench.trainer(tmp_path / str(world.size), objective=objective, world=world)
        part = round_of(trainer.options, 1)
        plan = asking_in(trainer.options, part)
        rollouts, *_ = trainer.method.rolled_out(1, part, plan, trainer.method.context(1, part))
        levels = next(one for one in plan.passes if one.where == "levels")
        states, count = trainer.method.states(1, levels, rollouts, torch.ones(len(rollouts.plan)))
        found.append(states.sigma.view(count, -1))
    alone, second = found
    assert alone.unique().numel() == 3 * 6, "each rollout has its own"
    assert (alone.diff(dim=0) > 0).all() and alone.min() > 0 and alone.max() < 1, "a stratum each"
    assert torch.equal(alone[:, 3:], second)


@pytest.mark.parametrize("changes", [{}, {"levels": "uniform"}])
def test_levels_that_all_rollouts_share_are_drawn_once_a_step(tiny_bench, tmp_path, changes):
    trainer = tiny_bench.trainer(tmp_path / "run", objective={"kind": "awm", "timesteps": 2, **changes})
    seen, real = [], trainer.model.noised
    trainer.model.noised = lambda x0, noise, sigma: (seen.append(sigma), real(x0, noise, sigma))[1]
    trainer.train_step(1)
    (sigma,) = seen
    assert len(sigma) == 12 and len(sigma.unique()) == 2
    grid = trainer.model.sigmas(4)
    assert bool(torch.isin(sigma, grid).all()) == (not changes)
    assert grid[3] <= sigma.min() and sigma.max() <= grid[1], "within what skip_first and fraction leave"
