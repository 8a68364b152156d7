"""The recipe's training block: strict, the same options as the trainer's, wrong ones told before anything runs."""

from pathlib import Path

import dagster as dg
import pytest
import yaml
from pydantic import BaseModel

from assets.support.config_blocks import config_block, plain
from assets.support.run_config import WrongRunConfig, check_run_config
from assets.support.training_options import ExecutorConfig, train_options
from pipelines.commands import checked
from storage.strict_yaml import DuplicateKey
from training.options import TrainOptions
from training.run_folder import command

MODEL = {"kind": "wan", "path": "model", "frames": 8, "height": 32, "width": 32, "fps": 4.0}
SERVED = {"backend": "openai", "model": "m", "base_url": "http://127.0.0.1:1/v1"}
FILLED = {"method": "wmsd", "conditions": "c", "output": "o"}


def recipe(folder: Path, executor: dict | str) -> Path:
    block = executor if isinstance(executor, str) else yaml.safe_dump(executor, sort_keys=False)
    indented = "".join(f"      {line}\n" for line in block.splitlines())
    text = f"ops:\n  conditions:\n    config:\n      model: {MODEL}\n  executor:\n    config:\n{indented}"
    path = folder / "recipe.yaml"
    path.write_text(text)
    return path


def through_dagster(block: dict) -> TrainOptions:
    """The options that an asset gets from a run config."""
    got = []

    @dg.op
    def reads(config: ExecutorConfig):
        got.append(train_options(config, **FILLED))

    @dg.job
    def job():
        reads()

    job.execute_in_process(
        run_config={
            "ops": {"reads": {"config": block}},
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        }
    )
    return got[0]


@pytest.mark.slow
def test_a_recipe_that_says_nothing_gives_the_trainers_own_defaults():
    assert through_dagster({"model": MODEL}) == TrainOptions(model=MODEL, **FILLED)


@pytest.mark.parametrize(
    ("block", "same"),
    [
        ({"objective": {"nft": {"beta": 0.5}}}, {"objective": {"kind": "nft", "beta": 0.5}}),
        ({"objective": {"flow_grpo": {"window": [1, 3]}}}, {"objective": {"kind": "flow_grpo", "window": (1, 3)}}),
        ({"lora": {"targets": ["to_q", "to_k"]}}, {"lora": {"targets": ("to_q", "to_k")}}),
        ({"optimizer": {"betas": [0.8, 0.9]}}, {"optimizer": {"betas": (0.8, 0.9)}}),
        (
            {"rewards": {"judge": {"questions": ["task"], "vlm": {"workers": 2}}}},
            {"rewards": {"judge": {"questions": ("task",), "vlm": {"workers": 2}}}},
        ),
    ],
)
def test_blocks_choices_and_lists_mean_what_they_mean_to_the_trainer(block, same):
    assert through_dagster({"model": MODEL, **block}) == TrainOptions(model=MODEL, **FILLED, **same)


def test_what_the_asset_writes_the_trainer_reads_back(tmp_path):
    from training.options.reading import read_options

    options = through_dagster({"model": MODEL, "objective": {"nft": {}}, "run": {"steps": 7}})
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(options.model_dump(mode="json"), sort_keys=False))
    assert read_options(path) == options


def test_paths_and_method_are_not_for_the_recipe_to_say():
    assert not {"conditions", "output", "method"} & set(ExecutorConfig.model_fields)


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ({"rollout": {"group": 1}}, r"executor\.config\.rollout\.group = 1: .*greater than or equal to 2"),
        ({"rollout": {"groups": 4}}, r'unexpected config entry "groups" at path root:ops:executor:config:rollout'),
        ({"objective": {"flow_grpo": {"window": [0, 40]}}}, r"objective\.window .*rollout\.steps \(8\)"),
        ({"objective": {"ppo": {}}}, "ppo"),
        (
            {"rewards": {"judge": {"questions": ["beauty"]}}},
            r"rewards\.judge\.questions = \['beauty'\]: 'beauty' is not known: choose from task, agent",
        ),
        ({"rewards": {"judge": {"vlm": {"backend": "openai"}}}}, "needs the name of a model"),
        ({"name": "../elsewhere"}, r"executor\.config\.name = '\.\./elsewhere'"),
        ({"processes": 0}, r"executor\.config\.processes = 0"),
        ({"processes": 3, "rollout": {"tasks": 4}}, r"executor\.config: rollout\.tasks 4 .*multiple of 3"),
        ({"rewards": {"task": 0, "consistency": 0, "distill": 0}}, r"executor\.config: method wmsd: rewards\.task"),
        (
            {"rewards": {"judge": {"vlm": SERVED | {"api_key_env": "UNSET_JUDGE_KEY"}}}},
            r"rewards\.judge\.vlm\.api_key_env 'UNSET_JUDGE_KEY' is not set",
        ),
        ({"output": "here"}, 'unexpected config entry "output"'),
    ],
)
def test_a_wrong_option_is_named_before_anything_runs(tmp_path, block, said):
    path = recipe(tmp_path, {"model": MODEL, **block})
    with pytest.raises((WrongRunConfig, dg.DagsterInvalidConfigError), match=said):
        checked(path, "train")


def test_a_key_that_stands_twice_is_refused_with_its_line(tmp_path):
    path = recipe(tmp_path, f"model: {MODEL}\nrun: {{steps: 3}}\nrun: {{steps: 4}}\n")
    with pytest.raises(DuplicateKey, match="key 'run' appears twice"):
        checked(path, "train")


def test_conditions_take_the_same_checks(tmp_path):
    config = {"ops": {"conditions": {"config": {"model": MODEL | {"height": 2}}}}}
    with pytest.raises(WrongRunConfig, match=r"ops\.conditions\.config\.model\.height = 2"):
        check_run_config(config)


def test_one_model_is_encoded_and_trained_wherever_it_runs(tmp_path):
    config = {"ops": {"conditions": {"config": {"model": MODEL | {"device": "cpu"}}}}}
    config["ops"]["executor"] = {"config": {"model": MODEL}}
    check_run_config(config)
    config["ops"]["executor"] = {"config": {"model": MODEL | {"height": 64}}}
    with pytest.raises(WrongRunConfig, match=r"executor\.config: model differs from .*\(height 64 and 32\)"):
        check_run_config(config)


def test_a_judge_with_its_key_passes(tmp_path, monkeypatch):
    monkeypatch.setenv("JUDGE_KEY", "a secret")
    checked(
        recipe(tmp_path, {"model": MODEL, "rewards": {"judge": {"vlm": SERVED | {"api_key_env": "JUDGE_KEY"}}}}),
        "train",
    )


def test_sft_without_videos_is_refused_as_soon_as_the_method_is_known():
    config = {"ops": {name: {"config": {"model": MODEL}} for name in ("conditions", "executor_ablations")}}
    check_run_config(config)
    check_run_config(config, "rl_only")
    with pytest.raises(WrongRunConfig, match=r"method sft learns from videos.*sft_videos\.count is 0"):
        check_run_config(config, "sft")
    config["ops"]["conditions"]["config"]["sft_videos"] = {"count": 2}
    check_run_config(config, "sft")


def test_a_recipe_of_the_other_job_is_answered_with_the_command_that_takes_it(tmp_path, repository):
    with pytest.raises(ValueError, match=r"make build RECIPE=.*folder\.yaml"):
        checked(repository / "recipes" / "folder.yaml", "train")
    with pytest.raises(ValueError, match=r"make train RECIPE=.*ltx2\.yaml"):
        checked(repository / "recipes" / "ltx2.yaml", "build")


def test_several_processes_are_started_with_as_much_patience_as_one():
    words = command(Path("c.yaml"), 4, 900.0, fresh=True)
    assert words[1:5] == ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node"]
    assert words[5:8] == ["4", "--shutdown-timeout", "900"]
    assert words[8:] == ["-m", "training.train", "--config", "c.yaml", "--fresh"]
    assert command(Path("c.yaml"), 1, 900.0, fresh=False)[1:] == ["-m", "training.train", "--config", "c.yaml"]


def blocks(model: type[BaseModel]):
    for field in model.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield field.annotation
            yield from blocks(field.annotation)


def test_every_block_is_strict():
    for block in blocks(ExecutorConfig):
        assert block.model_config["extra"] == "forbid", block


def test_a_config_block_keeps_fields_ranges_and_rules():
    class Inner(BaseModel):
        size: int = 3

    class Outer(BaseModel):
        inner: Inner = Inner(size=5)
        names: tuple[str, ...] = ("a",)

    block = config_block(Outer)
    assert config_block(Outer) is block
    assert plain(block()) == Outer().model_dump(mode="json")
    assert isinstance(block(), Outer)
