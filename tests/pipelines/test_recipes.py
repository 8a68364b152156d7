"""Recipes are strict run configs: wrong ones are refused by name, before anything runs."""

import importlib

import dagster as dg
import pytest

from assets.support.run_config import OPTIONS, WrongRunConfig, check_run_config
from pipelines.recipes import RECIPES, job_of, load_recipe
from storage.strict_yaml import DuplicateKey
from tests.evaluation.benchmarks.vbvr.vbvr_rig import FAKE


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_recipe_is_a_valid_run_config_of_its_job(path):
    from pipelines.definitions import defs

    config = load_recipe(path)
    if "vbvr_scores" in config["ops"]:  # whether the official evaluator is installed is a part of what is checked
        config["ops"]["vbvr_scores"]["config"]["evaluator"]["command"] = FAKE
    dg.validate_run_config(defs.resolve_job_def(job_of(config)), config)
    check_run_config(config)


def test_an_unknown_option_is_refused_by_name():
    from pipelines.definitions import defs

    wrong = {"ops": {"quality": {"config": {"min_laplacian_variance": 3.0}}}}
    with pytest.raises(dg.DagsterInvalidConfigError, match="min_laplacian_variance"):
        dg.validate_run_config(defs.resolve_job_def("build_worldtasks"), wrong)


def test_a_key_that_stands_twice_is_refused_with_its_line(tmp_path):
    path = tmp_path / "twice.yaml"
    path.write_text("ops:\n  frames:\n    config:\n      count: 8\n      count: 9\n")
    with pytest.raises(DuplicateKey, match=r"line 5: key 'count' appears twice"):
        load_recipe(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [("ops: [", "is not YAML"), ("- a\n", "not a mapping"), ("!!python/object/apply:os.system [x]", "is not YAML")],
)
def test_what_is_no_run_config_is_refused(tmp_path, text, said):
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=said):
        load_recipe(path)


def test_an_absent_recipe_is_answered_with_the_ones_there_are(tmp_path):
    with pytest.raises(ValueError, match=r"recipes/microworld\.yaml"):
        load_recipe(tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    ("stage", "option", "value"),
    [
        ("frames", "count", 0),
        ("quality", "max_black_ratio", 1.5),
        ("aesthetics", "keep_share", -0.1),
        ("tasks", "count", 0),
        ("screening", "max_failed_share", 2),
        ("worldtasks", "max_bench_share", 0.9),
        ("published_dataset", "shard_mb", 0),
    ],
)
def test_a_value_out_of_range_is_named_before_the_first_stage(stage, option, value):
    config = {"ops": {stage: {"config": {option: value}}}}
    with pytest.raises(WrongRunConfig, match=rf"ops\.{stage}\.config\.{option} = {value}"):
        check_run_config(config)


def test_a_source_out_of_range_is_named_too():
    config = {"ops": {"clips": {"config": {"source": {"microworld": {"clips": 0}}}}}}
    with pytest.raises(WrongRunConfig, match=r"ops\.clips\.config\.source.*clips = 0"):
        check_run_config(config)


def test_a_hub_release_says_what_it_lacks_before_the_first_stage(monkeypatch):
    config = {"ops": {"published_dataset": {"config": {"repo_id": "a/b", "target": {"hub": {}}}}}}
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with pytest.raises(WrongRunConfig, match="a Hub release needs contact, environment variable HF_TOKEN"):
        check_run_config(config)
    config["ops"]["published_dataset"]["config"]["contact"] = "x@example.org"
    monkeypatch.setenv("HF_TOKEN", "a secret")
    check_run_config(config)


def test_values_from_the_environment_are_checked_too_at_any_depth(monkeypatch):
    config = {"ops": {"clips": {"config": {"source": {"microworld": {"clips": {"env": "CLIPS"}}}}}}}
    monkeypatch.setenv("CLIPS", "12")
    check_run_config(config)
    monkeypatch.setenv("CLIPS", "0")
    with pytest.raises(WrongRunConfig, match=r"microworld.*clips = '0'"):
        check_run_config(config)
    monkeypatch.delenv("CLIPS")
    with pytest.raises(WrongRunConfig, match=r"clips: the environment variable CLIPS is not set"):
        check_run_config(config)


def test_the_options_that_are_checked_early_exist():
    from pipelines.definitions import defs

    blocks = {}
    for job in defs.jobs:
        settable = defs.resolve_job_def(job.name).run_config_schema.config_type.fields["ops"].config_type.fields
        blocks |= {name: field.config_type.fields.get("config") for name, field in settable.items()}
    # What has no options of its own takes anything there, and so has no fields.
    assert set(OPTIONS) == {
        name for name, block in blocks.items() if hasattr(getattr(block, "config_type", None), "fields")
    }
    for dotted in OPTIONS.values():
        module, name = dotted.rsplit(".", 1)
        assert issubclass(getattr(importlib.import_module(module), name), dg.Config)


SERVED = "{backend: openai, model: m, base_url: http://127.0.0.1:1/v1, api_key_env: %s}"
VLM_BLOCKS = {
    "resources.vlm.config": "resources: {vlm: {config: %s}}",
    "ops.executor.config.rewards.judge.vlm": "ops: {executor: {config: {rewards: {judge: {vlm: %s}}}}}",
    "ops.judgements.config.further.0.vlm": "ops: {judgements: {config: {further: [{name: a, vlm: %s}]}}}",
}


@pytest.mark.parametrize("place", VLM_BLOCKS)
@pytest.mark.parametrize("secret", ["sk-proj-aVery/secret", "0a1b2c3d4e5f", "Bearer abc", "k.e.y"])
def test_a_key_in_place_of_its_variables_name_is_refused_before_a_run_and_not_repeated(tmp_path, place, secret):
    path = tmp_path / "secret.yaml"
    path.write_text(VLM_BLOCKS[place] % (SERVED % repr(secret)))
    with pytest.raises(ValueError, match=f"{place}.api_key_env .*NAME of an environment variable") as caught:
        load_recipe(path)
    assert secret not in str(caught.value)


@pytest.mark.parametrize("named", ["sk_live_aVery_secret", "NOT_SET_ANYWHERE"])
def test_build_refuses_a_variable_that_is_not_set_before_there_is_a_run(tmp_path, named):
    from pipelines.commands import checked

    path = tmp_path / "unset.yaml"
    path.write_text(VLM_BLOCKS["resources.vlm.config"] % (SERVED % named))
    with pytest.raises(ValueError, match=r"resources\.vlm\.config\.api_key_env .*not set") as caught:
        checked(path, "build")
    assert (named in str(caught.value)) is named.isupper()
