"""The asset `reproduction`: its block is checked like the executor's, its report becomes metadata."""

import copy

import pytest

from assets.support.run_config import WrongRunConfig, check_run_config
from assets.training.conditions import lora_targets
from assets.training.reproduction import results
from pipelines.commands import checked
from pipelines.recipes import RECIPES, load_recipe
from pipelines.train import output_of
from tests.assets.training.conftest import TINY
from tests.assets.training.test_executor import event_of, failure_of
from tests.assets.training.test_executor_config import SERVED

pytestmark = pytest.mark.slow

SHIPPED = RECIPES / "microworld_reproduce.yaml"


def block(recipe: dict) -> dict:
    return recipe["ops"]["reproduction"]["config"]


@pytest.fixture
def shipped() -> dict:
    return load_recipe(SHIPPED)


def test_the_shipped_recipe_is_for_its_job_and_names_its_folder():
    config = checked(SHIPPED, "train")
    assert output_of(config).parts[-3:] == ("microworld", "training", "reproduction")


def test_the_shipped_experiments_are_what_the_claims_need(shipped):
    """Every claim finds its experiments, by what they change."""
    from tests.training.reproduction.made_up_runs import climbing, run_of
    from training.reproduction.findings import findings
    from training.reproduction.verdicts import claims

    steps = block(shipped)["training"]["run"]["steps"]
    runs = [
        run_of({**one, "seeds": [seed]}, climbing((0.5, 0.5, 0.5)), seed)
        for one in block(shipped)["experiments"]
        for seed in one.get("seeds", [0])
        if one.get("steps", steps) == steps
    ]
    found = findings(runs, runs[0].run.options.run.steps)
    assert len({one.experiment.method for one in found.settings}) == 9 and len(found.sweep()) == 7
    without = [claim.key for claim in claims(found) if "has ended" in claim.numbers]
    assert without == ["no_late_collapse"], "its long run was left out above"
    assert any(one.get("steps", 0) == 5 * steps for one in block(shipped)["experiments"])


def test_it_shares_its_conditions_with_the_default_training(shipped):
    """Else each of the two jobs would encode what the other one has to encode again."""
    default = load_recipe(RECIPES / "microworld_training.yaml")["ops"]
    assert shipped["ops"]["conditions"] == default["conditions"]
    assert shipped["ops"]["training_data"] == default["training_data"]


WRONG = {
    "an unknown method": ({"method": "wmds"}, r"experiments\.0\.method"),
    "an unknown option": ({"changes": {"distill": {"beta": 1}}}, r"experiment wmsd: distill\.beta"),
    "no seeds": ({"seeds": []}, r"experiments\.0\.seeds"),
    "a name that stands twice": ({"name": "rl_only"}, "rl_only appears twice"),
    "weights that are all 0": (
        {"method": "rl_only", "changes": {"rewards": {"task": 0, "consistency": 0}}},
        "wmsd: method",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_experiment_is_refused_before_anything_runs(shipped, name):
    changes, said = WRONG[name]
    block(shipped)["experiments"][0] |= changes
    with pytest.raises(WrongRunConfig, match=said) as caught:
        check_run_config(shipped)
    assert str(caught.value).startswith("ops.reproduction.config")


def test_sft_without_videos_and_another_model_are_refused(shipped):
    without = copy.deepcopy(shipped)
    without["ops"]["conditions"]["config"]["sft_videos"] = {"count": 0}
    with pytest.raises(WrongRunConfig, match=r"experiment sft: .*sft_videos\.count is 0"):
        check_run_config(without)
    block(shipped)["training"]["model"] = block(shipped)["training"]["model"] | {"frames": 4}
    with pytest.raises(WrongRunConfig, match=r"model differs from ops\.conditions"):
        check_run_config(shipped)


def test_a_judge_without_its_key_is_refused_and_the_layers_it_adapts_are_known_to_the_encoder(shipped):
    block(shipped)["training"]["lora"] = {"targets": ["to_q", "to_w"]}
    assert lora_targets(check_run_config(shipped)) == ["to_q", "to_w"]
    block(shipped)["training"]["rewards"] = {"judge": {"vlm": SERVED | {"api_key_env": "UNSET_JUDGE_KEY"}}}
    with pytest.raises(WrongRunConfig, match=r"training\.rewards\.judge\.vlm\.api_key_env 'UNSET_JUDGE_KEY'"):
        check_run_config(shipped)


def test_the_job_trains_reports_and_goes_on(trained, run_job):
    recipe = copy.deepcopy(trained.recipe)
    model = recipe["ops"].pop("executor")["config"]["model"]
    experiments = [{"name": "wmsd"}, {"name": "dmd", "method": "dmd", "changes": {"optimizer": {"stop_norm": 1e-9}}}]
    recipe["ops"]["reproduction"] = {"config": {"training": {"model": model, **TINY}, "experiments": experiments}}
    output = trained.store.training / "reproduction"
    result = run_job(recipe, job="reproduce", only=("reproduction",))
    assert result.success, (failure_of(result, "reproduction"), (output / "reproduce.log").read_text()[-3000:])
    metadata = event_of(result, "reproduction").metadata
    assert metadata["complete"].value and metadata["runs ended"].value == 2
    assert (
        metadata["claim dmd_diverges"].value == "holds" and metadata["claim wmsd_above_rl_only"].value == "not decided"
    )
    assert "dmd/0" in metadata["runs"].value and "Demonstrator" in metadata["table"].value
    assert metadata["chart scores"].value.startswith("![scores](data:image/png;base64,")
    assert "holds" in (output / "claims.txt").read_text()
    before = event_of(result, "reproduction").tags["dagster/data_version"]
    again = run_job(recipe, job="reproduce", only=("reproduction",))
    assert event_of(again, "reproduction").tags["dagster/data_version"] == before == results(output)[1]
    assert (output / "reproduce.log").read_text().count(" begins (") == 2, "nothing was trained again"
