"""What cannot work is refused at the start, with one clear line, before a model is trained by a step."""

import json
import shutil

import pytest
import torch

from tests.training import tiny_run
from training.conditions.encoding import write_conditions
from training.train import main
from training.world import World


@pytest.fixture(autouse=True)
def never_stepped(monkeypatch):
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda *_, **__: pytest.fail("the optimizer was stepped"))


def refused(capsys, config) -> tuple[int, str]:
    status = main(["--config", str(config)])
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return status, said


# Mistakes that the file of options alone shows: status 2, every one of them listed.
OPTIONS = {
    "an unknown key": ({"rollout": {"gruop": 4}}, ["rollout.gruop", "Extra inputs"]),
    "an unknown method": ({"method": "wmds"}, ["method", "'wmsd'"]),
    "an unknown objective": ({"objective": {"kind": "ppo"}}, ["objective", "'awm', 'flow_grpo', 'nft'"]),
    "one rollout a group": ({"rollout": {"group": 1}}, ["rollout.group", "greater than or equal to 2"]),
    "a window outside": (
        {"objective": {"kind": "flow_grpo", "window": [1, 9]}},
        ["objective.window (1, 9)", "rollout.steps (4)"],
    ),
    "more distilled than sampled steps": ({"distill": {"timesteps": 9}}, ["distill.timesteps 9", "rollout.steps (4)"]),
    "flow time at levels that cover none": (
        {"distill": {"states": "renoised"}},
        ["distill.flow_time true does not fit distill.states renoised", "flow_time false, or", "states trajectory"],
    ),
    "no steps": ({"run": {"steps": 0}}, ["run.steps"]),
}
# Mistakes that a look at the options' meaning, the model or the data shows: status 1.
MEANING = {
    "no weight at all": (
        {"rewards": {"task": 0.0, "consistency": 0.0, "distill": 0.0}},
        ["rewards.task, agent, consistency and distill are all 0", "above 0"],
    ),
    "no weight that the method uses": (
        {"method": "rl_only", "rewards": {"task": 0.0, "consistency": 0.0}},
        ["method rl_only", "above 0"],
    ),
    "a weight for what nobody is asked": ({"rewards": {"agent": 1.0}}, ["rewards.agent", "['task', 'consistency']"]),
    "no question about the task": (
        {"method": "on_policy_anchor", "rewards": {"judge": {"questions": ["consistency"]}}},
        ["rewards.judge.questions ['consistency'] lack task"],
    ),
    "a sampler too short for the objective": (
        {"rollout": {"steps": 2}},
        ["rollout.steps 2", "skip_first 1", "fraction 0.9", "no noise level to train awm at", "more steps"],
    ),
    "a share of the levels that leaves none": (
        {"objective": {"kind": "nft", "skip_first": 0, "fraction": 0.2}},
        ["rollout.steps 4", "skip_first 0", "fraction 0.2", "no noise level to train nft at"],
    ),
    "a layer that is not there": (
        {"lora": {"targets": ["to_q", "to_w"]}},
        ["LoRA target 'to_w' matches no linear layer", "attn1.to_q"],
    ),
    "another release": ({"dataset_version": "v2"}, ["dataset version 'v1', but the run needs 'v2'", "materialise"]),
    "a shape the VAE cannot take": ({"model": {"height": 30}}, ["30"]),
    "another shape than the conditions'": ({"model": {"frames": 4}}, ["the conditions in", "model 'wan:"]),
    "no checkpoint": ({"model": {"path": "nowhere/at/all"}}, ["nowhere/at/all", "diffusers folder"]),
    "no conditions": ({"conditions": "nowhere/at/all"}, ["no conditions in nowhere/at/all", "materialise"]),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_a_wrong_option_is_listed(tiny_bench, tmp_path, capsys, name):
    changes, words = OPTIONS[name]
    status, said = refused(capsys, tiny_bench.config(tmp_path / "run", changes))
    assert status == 2 and all(word in said for word in words), said
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", MEANING)
def test_options_that_cannot_work_are_refused(tiny_bench, tmp_path, capsys, name):
    changes, words = MEANING[name]
    status, said = refused(capsys, tiny_bench.config(tmp_path / "run", changes))
    assert status == 1 and all(word in said for word in words), said
    assert len(said.strip().splitlines()) == 1


def test_every_mistake_is_listed_at_once(tiny_bench, tmp_path, capsys):
    changes = {"rollout": {"group": 1}, "lora": {"rank": 0}}
    status, said = refused(capsys, tiny_bench.config(tmp_path / "run", changes))
    assert status == 2 and "2 mistakes" in said and "rollout.group" in said and "lora.rank" in said


def test_a_key_that_stands_twice_is_named_with_its_line(tmp_path, capsys):
    path = tmp_path / "config.yaml"
    path.write_text("method: wmsd\nrun:\n  steps: 3\n  steps: 4\n")
    status, said = refused(capsys, path)
    assert status == 2 and "line 4: key 'steps' appears twice" in said
    status, said = refused(capsys, tmp_path / "none.yaml")
    assert status == 2 and "none.yaml" in said


def test_a_checkpoint_without_a_part_is_named(tiny_bench, tmp_path, capsys):
    shutil.copytree(tiny_bench.model["path"], tmp_path / "model")
    shutil.rmtree(tmp_path / "model" / "vae")
    config = tiny_bench.config(tmp_path / "run", {"model": {"path": str(tmp_path / "model")}})
    status, said = refused(capsys, config)
    assert status == 1 and "has no vae/" in said


def test_conditions_of_another_model_are_refused(tiny_bench, tmp_path, capsys):
    shutil.copytree(tiny_bench.model["path"], tmp_path / "model")
    weights = tmp_path / "model" / "transformer" / "diffusion_pytorch_model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    config = tiny_bench.config(tmp_path / "run", {"model": {"path": str(tmp_path / "model")}})
    status, said = refused(capsys, config)
    assert status == 1 and "StaleConditions" in said and "materialise the asset `conditions` again" in said


def test_damaged_conditions_are_named(tiny_bench, tmp_path, capsys):
    shutil.copytree(tiny_bench.conditions, tmp_path / "conditions")
    (tmp_path / "conditions" / "pairs.jsonl").unlink()
    status, said = refused(capsys, tiny_bench.config(tmp_path / "run", {"conditions": str(tmp_path / "conditions")}))
    assert status == 1 and "pairs.jsonl is missing" in said


@pytest.mark.parametrize(
    ("splits", "method", "words"),
    [
        ({"train": tiny_run.SPLITS["train"]}, "wmsd", ["at least one of split heldout"]),
        ({"heldout": tiny_run.SPLITS["heldout"]}, "wmsd", ["at least one of split train"]),
        (tiny_run.SPLITS, "sft", ["have no videos", "method sft"]),
    ],
)
def test_conditions_without_what_the_method_needs_are_refused(
    tiny_bench, tiny_model_with_encoders, tmp_path, capsys, splits, method, words
):
    folder = tmp_path / "conditions"
    write_conditions(tiny_model_with_encoders, splits, tiny_run.SHADES.__getitem__, folder, dataset_version="v1")
    status, said = refused(capsys, tiny_bench.config(tmp_path / "run", conditions=str(folder), method=method))
    assert status == 1 and all(word in said for word in words), said


@pytest.fixture(scope="module")
def tiny_model_with_encoders(tiny_bench):
    from models.video.build_video_model import build_video_model
    from models.video.options import VideoModelOptions

    return build_video_model(VideoModelOptions(**tiny_bench.model))


def test_tasks_that_cannot_be_shared_out_are_refused(tiny_bench, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("training.world.join_world", lambda: World(0, 3))
    monkeypatch.setattr("training.world.leave_world", lambda world: None)
    monkeypatch.setattr(World, "any_", lambda world, here: here)  # the others are not there
    status, said = refused(capsys, tiny_bench.config(tmp_path / "run"))
    assert status == 1 and "rollout.tasks 2 do not divide among 3 processes: use a multiple of 3" in said


@pytest.fixture
def begun(tiny_bench, tmp_path, monkeypatch):
    """A folder with a checkpoint of step 2."""
    trainer = tiny_bench.trainer(tmp_path / "run")
    trainer.state.step = 2
    trainer.save()
    return tmp_path / "run"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"optimizer": {"lr": 0.5}}, ["optimizer.lr: 0.001 -> 0.5", "another output folder"]),
        ({"method": "rl_only"}, ['method: "wmsd" -> "rl_only"']),
        ({"run": {"seed": 9}}, ["run.seed: 0 -> 9"]),
        ({"run": {"steps": 1}}, ["already at step 2, but run.steps is 1"]),
    ],
)
def test_another_recipe_is_refused_on_resume(tiny_bench, begun, capsys, changes, words):
    status, said = refused(capsys, tiny_bench.config(begun, changes))
    assert status == 1 and "ChangedRecipe" in said and all(word in said for word in words), said


def test_a_damaged_checkpoint_is_named_with_the_way_out(tiny_bench, begun, capsys):
    (begun / "checkpoints" / "step-00000002" / "state.safetensors").write_bytes(b"")
    status, said = refused(capsys, tiny_bench.config(begun))
    assert status == 1 and "step-00000002" in said and "Remove this folder" in said


def test_an_output_that_cannot_be_written_is_named(tiny_bench, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    options = tiny_bench.options(tmp_path / "file" / "run")
    (tmp_path / "config.json").write_text(json.dumps(options))
    status, said = refused(capsys, tmp_path / "config.json")
    assert status == 1 and "file" in said
