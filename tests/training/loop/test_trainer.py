"""The trainer as a whole: what does not change its result, what the judge's failures do, and how it ends."""

import json
import math
import os
import signal
import weakref

import pytest
import torch

from models.vlm.failures import TooManyFailures
from tests.training import tiny_run
from tests.training.tiny_run import Brightness
from training.loop import checkpoint_files
from training.loop.held_out import BASE, HeldOut
from training.loop.trainer import Trainer
from training.methods.protocol import Diverged
from training.train import main
from training.world import World

NFT = {"kind": "nft", "timesteps": 2}


def trained(bench, output, changes=None, steps: int = 2, **more) -> Trainer:
    trainer = bench.trainer(output, changes or {}, **more)
    for _ in range(steps):
        trainer.state.step += 1
        trainer.train_step(trainer.state.step)
    return trainer


def apart(left: Trainer, right: Trainer) -> float:
    """The largest difference of any trained number."""
    ours, theirs = (
        [p.detach() for name in t.state.learners for p in t.policies.parameters(name)] for t in (left, right)
    )
    return max(float((p - q).abs().max()) for p, q in zip(ours, theirs, strict=True))


# -- what does not change the result ----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("method", ["wmsd", "sft", "dmd"])
@pytest.mark.parametrize("changes", [{"memory": {"batch": 5}}, {"rollout": {"batch": 2}}], ids=["memory", "rollout"])
def test_batch_sizes_are_a_matter_of_memory_alone(tiny_bench, tmp_path, method, changes):
    whole = trained(tiny_bench, tmp_path / "a", method=method)
    parts = trained(tiny_bench, tmp_path / "b", changes, method=method)
    assert apart(whole, parts) < 1e-6


@pytest.mark.parametrize("method", ["wmsd", "sft", "dmd", "off_policy_teacher_rl"])
def test_checkpointing_recomputes_and_changes_nothing(tiny_bench, tmp_path, method):
    calls = []
    for on in (False, True):
        trainer = tiny_bench.trainer(tmp_path / str(on), {"memory": {"checkpointing": on}}, method=method)
        blocks = []
        trainer.model.transformer.blocks[0].register_forward_pre_hook(lambda *_, seen=blocks: seen.append(1))
        for _ in range(2):
            trainer.state.step += 1
            trainer.train_step(trainer.state.step)
        calls.append((trainer, len(blocks)))
    (plain, few), (saving, more) = calls
    assert more > few, "the backward pass recomputes the blocks"
    assert apart(plain, saving) < 1e-6


@pytest.mark.slow
def test_a_run_is_a_function_of_its_options(tiny_bench, tmp_path):
    first, second = (trained(tiny_bench, tmp_path / name) for name in "ab")
    other = trained(tiny_bench, tmp_path / "c", {"run": {"seed": 1}})
    assert apart(first, second) == 0 < apart(first, other)


def tasks(trainer: Trainer, step: int) -> tuple[str, ...]:
    """The texts of this process's tasks in a step."""
    given = trainer.method.given
    return given.contexts.of_step(step, given.places, None).texts


def test_groups_stay_whole_on_one_process_and_together_are_those_of_one(tiny_bench, tmp_path):
    def make(name: str, world: World) -> Trainer:
        return tiny_bench.trainer(tmp_path / name, {"rollout": {"tasks": 4}}, world=world)

    alone, ranks = make("a", World()), [make(f"rank {rank}", World(rank, 2)) for rank in (0, 1)]
    for step in (1, 2, 7):
        assert tasks(alone, step) == tasks(ranks[0], step) + tasks(ranks[1], step)
    places = [list(trainer.method.given.places) for trainer in (alone, *ranks)]
    assert places[0] == places[1] + places[2]


def test_nft_without_an_old_policy_is_nft_with_the_live_one_as_old_bitwise(tiny_bench, tmp_path):
    none = trained(tiny_bench, tmp_path / "a", method="rl_only", objective=NFT | {"old_decay_max": 0.0})
    same = trained(tiny_bench, tmp_path / "b", method="rl_only", objective=NFT | {"old_decay_rate": 0.0})
    assert not none.state.learners["executor"].shadows and "old" in same.state.learners["executor"].shadows
    assert apart(none, same) == 0
    lagging = trained(tiny_bench, tmp_path / "c", method="rl_only", objective=NFT | {"old_decay_rate": 0.4})
    assert apart(none, lagging) > 0


# -- a judge that fails -----------------------------------------------------------------------------------------------


def test_a_judge_that_answers_when_asked_again_changes_nothing(tiny_bench, tmp_path):
    good = trained(tiny_bench, tmp_path / "a")
    vlm = Brightness(failures=2)
    retried = trained(tiny_bench, tmp_path / "b", vlm=vlm)
    assert apart(good, retried) == 0
    assert vlm.requests == 3 * good.parts.judge.vlm.requests


def test_a_lost_judgement_is_masked_and_counted(tiny_bench, tmp_path):
    lost = set()

    def fails(key) -> bool:
        lost.update(() if lost else {key[2]})
        return key[2] in lost

    trainer = tiny_bench.trainer(tmp_path / "run", method="rl_only", vlm=Brightness(fails=fails))
    metrics = trainer.train_step(1)
    assert metrics["judge/failed_share"] == pytest.approx(1 / 6)
    assert trainer.predictor.calls["executor", True] == 2 * 5, "the rollout without a judgement is not trained on"
    assert math.isfinite(metrics["reward"]) and metrics["groups/empty"] == 0


def test_a_group_without_any_judgement_is_counted_and_left_out(tiny_bench, tmp_path):
    changes = {"rewards": {"judge": {"max_failed_share": 0.5}}}
    trainer = tiny_bench.trainer(tmp_path / "run", changes, method="rl_only", vlm=Brightness())
    task = tasks(trainer, 1)[0]
    trainer.parts.judge.vlm.fails = lambda key: key[1] == task
    metrics = trainer.train_step(1)
    assert (metrics["groups/empty"], metrics["groups/zero_variance"]) == (1, 0)
    assert trainer.predictor.calls["executor", True] == 2 * 3 and metrics["grad_norm"] > 0


def test_past_the_share_the_run_stops_with_the_reason_before_any_step(tiny_bench, tmp_path):
    trainer = tiny_bench.trainer(tmp_path / "run", vlm=Brightness(fails=lambda key: key[0] == "judge_consistency"))
    before = tiny_run.adapter(trainer)
    with pytest.raises(TooManyFailures, match=r"consistency 6 of 6, at most 20% may\. .*step 1.*http_500"):
        trainer.run()
    assert (
        tiny_run.same(before, tiny_run.adapter(trainer))
        and not trainer.state.learners["executor"].optimizers["adamw"].state
    )


def test_questions_without_a_weight_may_fail(tiny_bench, tmp_path):
    vlm = Brightness(fails=lambda key: key[0] == "judge_consistency")
    trainer = tiny_bench.trainer(tmp_path / "run", {"rewards": {"consistency": 0.0}}, vlm=vlm)
    assert trainer.train_step(1)["judge/failed_share"] == 0


# -- how runs end -----------------------------------------------------------------------------------------------------


def last_checkpoint(trainer: Trainer) -> tuple[dict, dict]:
    return checkpoint_files.load(checkpoint_files.latest(trainer.log.output / "checkpoints"))


@pytest.mark.parametrize("name", ["executor", "demonstrator"])
def test_a_gradient_that_is_not_finite_ends_the_run_at_the_checkpoint_before(tiny_bench, tmp_path, name):
    changes = {"distill": {"period": 2}, "run": {"steps": 4}}
    trainer = tiny_bench.trainer(tmp_path / "run", changes, method="alternating")
    key, parameter = list(trainer.policies.named(name).items())[3]
    parameter.register_hook(lambda g: g * (math.nan if trainer.state.step > 0 else 1.0))
    step = 3 if name == "executor" else 2
    with pytest.raises(Diverged, match=rf"step {step}: the gradient norm of {name} is nan") as caught:
        trainer.run()
    assert f"not finite in 1 tensors, the first {key};" in str(caught.value)
    tensors, state = last_checkpoint(trainer)
    assert state["step"] == step - 1
    for adapter in trainer.state.learners:
        for key, tensor in tiny_run.adapter(trainer, adapter).items():
            assert torch.equal(tensor, tensors[f"adapter/{adapter}/{key}"]), "nothing was stepped"


def test_a_gradient_that_explodes_ends_the_run(tiny_bench, tmp_path):
    trainer = tiny_bench.trainer(tmp_path / "run", {"optimizer": {"stop_norm": 1e-9}}, method="dmd")
    with pytest.raises(Diverged, match=r"step 1: .* executor is 0\.\d+, but optimizer.stop_norm allows at most 1e-09;"):
        trainer.run()
    assert not any(one.optimizers["adamw"].state for one in trainer.state.learners.values())


def test_rollouts_that_are_not_finite_end_the_run(tiny_bench, tmp_path):
    trainer = tiny_bench.trainer(tmp_path / "run", method="rl_only")
    with torch.no_grad():
        trainer.policies.parameters("executor")[0].fill_(math.nan)
    with pytest.raises(Diverged, match="step 1: rollouts of executor are not finite"):
        trainer.run()


# -- the whole session ------------------------------------------------------------------------------------------------


def strict(path) -> dict:
    def refuse(word: str):
        raise ValueError(f"{word} in {path}")

    return json.loads(path.read_text(), parse_constant=refuse)


def session(bench, output, monkeypatch, changes=None, vlm=Brightness, **more) -> int:
    """`training.train` in this process, judged by a stand-in that it makes itself."""
    monkeypatch.setattr("training.rewards.judge.build_vlm", lambda _: vlm())
    return main(["--config", str(bench.config(output, changes or {}, **more))])


@pytest.mark.slow
def test_a_session_leaves_scores_a_table_and_the_final_weights(tiny_bench, tmp_path, monkeypatch, capsys):
    output = tmp_path / "run"
    changes = {"run": {"steps": 3, "grid_every": 2}, "held_out": {"every": 2}}
    assert session(tiny_bench, output, monkeypatch, changes) == 0
    scores = strict(output / "scores.json")
    names = ["base under T", "Demonstrator (base under D)", "Executor under T"]
    assert list(scores["arms"]) == list(scores["rates"]) == names
    assert (scores["steps"], scores["held_out_tasks"], scores["dataset_version"]) == (3, 2, "v1")
    for arm in scores["rates"].values():
        assert list(arm) == ["task", "consistency"]
        for rate in arm.values():
            low, high = rate["interval"]
            assert 0 <= low <= rate["share"] <= high <= 1 and rate["valid"] == 2 and rate["failed"] == 0
    assert list(scores["executor_against"]) == names[:2]
    assert [at["step"] for at in scores["curve"]] == [2]
    table = (output / "table.txt").read_text()
    assert all(name in table for name in names) and table in capsys.readouterr().out
    from safetensors.torch import load_file

    final = load_file(output / "final" / "pytorch_lora_weights.safetensors")
    tensors, _ = checkpoint_files.load(checkpoint_files.latest(output / "checkpoints"))
    assert len(final) == sum(key.startswith("adapter/executor/") for key in tensors)
    assert strict(output / "final" / "scores.json") == scores["rates"]
    assert list((output / "pictures").iterdir()) and list((output / "tensorboard").iterdir())


@pytest.mark.slow
def test_a_finished_run_is_scored_again_and_not_trained(tiny_bench, tmp_path, monkeypatch):
    output, changes = tmp_path / "run", {"held_out": {"every": 1}}
    assert session(tiny_bench, output, monkeypatch, changes) == 0
    files = [output / "scores.json", output / "metrics.jsonl", output / "final" / "pytorch_lora_weights.safetensors"]
    files += [output / "table.txt", output / "final" / "scores.json", output / "final" / "README.md"]
    before = [path.read_bytes() for path in files]
    assert [list(at) for at in strict(files[0])["curve"]] == [["step", "heldout/task", "heldout/consistency"]]
    (output / "scores.json").unlink()
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda *_: pytest.fail("the optimizer was stepped"))
    assert session(tiny_bench, output, monkeypatch, changes) == 0
    assert [path.read_bytes() for path in files] == before
    assert "step 2 is the last one: nothing is left to train" in (output / "notes.txt").read_text()


def test_a_signal_before_training_ends_it_with_the_status_of_a_stop(tiny_bench, tmp_path, monkeypatch, capsys):
    def stopped(*_):
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("training.loop.held_out.HeldOut.judge_arm", stopped)
    assert session(tiny_bench, tmp_path / "run", monkeypatch) == 3
    assert "asked to end by signal 15" in capsys.readouterr().err


def test_a_judge_that_is_down_stops_the_session_before_training(tiny_bench, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda *_: pytest.fail("the optimizer was stepped"))
    down = lambda: Brightness(fails=lambda key: True)  # noqa: E731
    assert session(tiny_bench, tmp_path / "run", monkeypatch, vlm=down) == 1
    said = capsys.readouterr().err
    assert "TooManyFailures: too many judgements failed: task 2 of 2" in said and "http_500: the server is down" in said


def test_held_out_videos_are_let_go_as_they_are_judged(tiny_bench, tmp_path, monkeypatch):
    """Those of 200 tasks at full size are tens of gigabytes."""
    trainer = tiny_bench.trainer(tmp_path / "run", {"rollout": {"batch": 1}})
    held_out = HeldOut(trainer.options, trainer.predictor, trainer.store, trainer.parts.judge, World())
    held_out.pairs, held_out.own = held_out.pairs * 4, range(8)
    real, made, alive = trainer.model.decode, [], []

    def decode(x):
        alive.append(sum(one() is not None for one in made))
        videos = real(x)
        made.append(weakref.ref(videos))
        return videos

    monkeypatch.setattr(trainer.model, "decode", decode)
    log_odds = held_out.judge_arm(BASE).log_odds["task"]
    assert len(alive) == 8 and max(alive) <= 2
    assert (log_odds == [*log_odds[:2]] * 4).all() and log_odds[0] != log_odds[1]


@pytest.mark.slow
def test_scores_that_nobody_judged_are_null_not_nan(tiny_bench, tmp_path, monkeypatch):
    output, down = tmp_path / "run", lambda: Brightness(fails=lambda key: True)
    changes = {"rewards": {"judge": {"max_failed_share": 1.0}}, "held_out": {"every": 1}}
    assert session(tiny_bench, output, monkeypatch, changes, vlm=down) == 0
    scores = strict(output / "scores.json")
    assert scores["rates"]["Executor under T"]["task"]["share"] is None
    assert scores["arms"]["Executor under T"]["task"]["log_odds"] == [None, None]
    assert scores["curve"] == [{"step": 1, "heldout/task": None, "heldout/consistency": None}]
    assert "none judged" in (output / "table.txt").read_text()
