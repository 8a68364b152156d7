"""A training's kept LoRAs become runs of the evaluation, and these become curves: on the page and in Dagster."""

import json

import pytest

from assets.support.evaluation.curves import is_point, lacking, points
from assets.support.evaluation.options import GeneratedVideosConfig
from evaluation.records import MANIFEST, RUN, RunRecord, read_one
from storage.files import sha256_file
from tests.assets.evaluation.conftest import check_of, event_of, failure_of, write_lora
from training.checkpoint_state import state_bytes

pytestmark = pytest.mark.slow

STEPS = (55, 110)
CURVE = {"name": "curve", "training": "wmsd", "samples": 2}
POINTS = [f"curve-step-{step:05d}" for step in STEPS]
ROWS = ["base", "demonstrator", "executor", "vlm"]


def keep(store, checkpoint, training: str = "wmsd", steps=STEPS) -> None:
    """What a training keeps of its steps; seed 3 is that of the final LoRA."""
    for step in steps:
        folder = store.training / training / "adapters" / f"step-{step:08d}"
        write_lora(checkpoint, folder, seed=3 if step == STEPS[-1] else step)


def rows_of(metadata) -> list[list[str]]:
    """The cells of the curves' table, a row a point."""
    lines = metadata["curves"].value.splitlines()[2:]
    return [line.split(" | ") for line in lines if line.startswith("| ")]


@pytest.fixture(scope="module")
def drawn(finished, tmp_path_factory, tiny_checkpoint, run_job):
    """The finished evaluation with a curve, over fewer tasks than the rows of the table: evaluation and result."""
    import copy
    import shutil
    from dataclasses import replace

    root = tmp_path_factory.mktemp("curves")
    shutil.copytree(finished.store.folder, root / finished.store.name)
    store = replace(finished.store, root=root)
    keep(store, tiny_checkpoint)
    recipe = copy.deepcopy(finished.recipe)
    recipe["resources"]["collection"]["config"]["root"] = str(root)
    recipe["ops"]["generated_videos"]["config"]["curves"] = [CURVE]
    recipe["ops"]["judgements"]["config"]["further"] = [{"name": "noisy", "vlm": {"workers": 0, "judge_flip": 0.5}}]
    made = replace(finished, store=store, recipe=recipe)
    return replace(made, result=run_job(recipe, names=[*ROWS, *POINTS]))


def test_each_kept_lora_is_a_run_with_its_step_and_leads_back_to_its_training(drawn):
    assert drawn.result.success, [event for event in drawn.result.all_events if event.is_failure]
    for name, step in zip(POINTS, STEPS, strict=True):
        videos = event_of(drawn.result, "generated_videos", name).metadata
        record = videos["run record"].value
        lora = drawn.store.training / "wmsd" / "adapters" / f"step-{step:08d}" / "pytorch_lora_weights.safetensors"
        assert (record["step"], record["role"], record["conditioning"]) == (step, "executor", "task")
        assert (record["extra"]["training"], record["extra"]["curve"]) == ("wmsd", "curve")
        assert record["lora_sha256"] == sha256_file(lora)
        assert videos["step"].value == step and videos["training"].value == "wmsd" and videos["videos"].value == 2
        assert event_of(drawn.result, "scores", name).metadata["step"].value == step
        assert event_of(drawn.result, "scores", name).metadata["dataset version"].value == "0123456789ab+12345678"


def test_one_process_makes_the_videos_of_all_steps(drawn):
    told = list((drawn.store.evaluation / "jobs").glob("generate-*.log"))
    whole = [path.read_text() for path in told if all(name in path.read_text() for name in POINTS)]
    assert len(whole) == 1


def test_a_further_judge_looks_at_rows_and_not_at_points(drawn):
    assert (drawn.folder("executor") / "judgements.noisy.jsonl").is_file()
    assert not (drawn.folder(POINTS[0]) / "judgements.noisy.jsonl").exists()


def test_fewer_tasks_a_point_do_not_stop_the_report(drawn):
    check = check_of(drawn.result, "same_judge")
    assert check.passed and check.metadata["runs"].value == len(ROWS) + len(POINTS)


def test_the_report_draws_the_curve_from_the_base_on_and_lists_rows_alone(drawn):
    metadata = event_of(drawn.result, "report").metadata
    rows = rows_of(metadata)
    assert [row[1] for row in rows] == ["0", "55", "110"] and {row[0] for row in rows} == {"| curve"}
    assert metadata["curves over the paper's"].value.startswith("![") and "no curves" not in metadata
    assert len(metadata["curves over the paper's"].value) < 200_000
    page = drawn.page.read_text()
    assert "2 tasks a point" in page and "Task against optimizer steps" in page and "of step 55" not in page
    # The last point's weights are the Executor's: it is no row beside it, and nothing is compared with either.
    compared = page[page.index('id="compared"') : page.index('id="curves"')]
    assert "curve-step" not in compared and "cannot be compared" not in json.dumps(metadata["table"].value)


def test_step_0_is_the_base_over_the_same_tasks(drawn):
    from evaluation.scoring.judged_run import load_run

    ids = {one.sample_id for one in load_run(drawn.folder(POINTS[0])).samples}
    whole, part = load_run(drawn.folder("base")), load_run(drawn.folder("base"), only=ids)
    assert len(whole.samples) == 3 and {one.sample_id for one in part.samples} == ids
    first = event_of(drawn.result, "report").metadata["curves"].value.splitlines()[2]
    assert f"| {(part.log_odds[..., 0] > 0).mean():.3f} [" in first


def test_a_second_run_makes_and_asks_nothing_and_a_new_step_is_added(drawn, run_job, tiny_checkpoint):
    keep(drawn.store, tiny_checkpoint, steps=(165,))
    new = "curve-step-00165"
    result = run_job(drawn.recipe, names=[*POINTS, new])
    assert result.success
    made = {name: event_of(result, "generated_videos", name).metadata["videos made now"].value for name in POINTS}
    assert (
        set(made.values()) == {0} and event_of(result, "generated_videos", new).metadata["videos made now"].value == 2
    )
    assert [event_of(result, "judgements", name).metadata["requests now"].value for name in POINTS] == [0, 0]
    assert "| 165 |" in event_of(result, "report").metadata["curves"].value


def test_two_trainings_of_one_role_make_two_curves(fresh, run_job, tiny_checkpoint):
    keep(fresh.store, tiny_checkpoint)
    keep(fresh.store, tiny_checkpoint, "rl_only", steps=(10, 20))
    curves = [{"name": "a", "training": "wmsd"}, {"name": "b", "training": "rl_only", "steps": [20]}]
    names = ["base", "a-step-00055", "a-step-00110", "b-step-00020"]
    result = run_job(fresh.changed("generated_videos", curves=curves), names=names)
    assert result.success
    rows = rows_of(event_of(result, "report").metadata)
    assert [row[:2] for row in rows] == [["| a", "0"], ["| a", "55"], ["| a", "110"], ["| b", "0"], ["| b", "20"]]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("curve-step-00060", "kept no LoRA of this step"),
        ("curve-step-60", "curve-step-NUMBER"),
        ("curves", "is not a run of the recipe"),
    ],
)
def test_a_point_that_is_not_there_is_refused(fresh, run_job, tiny_checkpoint, name, said):
    keep(fresh.store, tiny_checkpoint)
    result = run_job(fresh.changed("generated_videos", curves=[CURVE]), names=[name], only=["generated_videos"])
    assert said in failure_of(result, "generated_videos")


def test_what_a_curve_lacks_is_told_with_the_steps_there_are(fresh, tiny_checkpoint):
    keep(fresh.store, tiny_checkpoint)
    curves = [CURVE | {"steps": [55, 60]}, {"name": "other", "training": "rl_only"}]
    config = GeneratedVideosConfig(
        **fresh.changed("generated_videos", curves=curves)["ops"]["generated_videos"]["config"]
    )
    assert list(points(fresh.store, config)) == ["curve-step-00055"]
    first, second = lacking(fresh.store, config)
    assert first.endswith("no LoRA of step 60. Steps with a LoRA: 55, 110")
    assert second.endswith("no LoRA. Steps with a LoRA: none")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"curves": [{"name": "base", "training": "wmsd"}]}, "two runs or curves are called 'base'"),
        ({"curves": [{"name": "x", "training": "../x"}]}, "letters, digits"),
        ({"curves": [{"name": "x" * 51, "training": "wmsd"}]}, "up to 50 characters"),
        ({"curves": [{"name": "x", "training": "wmsd", "steps": [0]}]}, "steps"),
        ({"curves": [{"name": "x", "training": ""}]}, "training"),
        (
            {"runs": [{"name": "x-step-00001"}], "curves": [{"name": "x", "training": "wmsd"}]},
            "has the name of a curve's point",
        ),
    ],
)
def test_a_wrong_curve_stops_the_job_at_its_first_step(fresh, options, said):
    from assets.support.run_config import WrongRunConfig, check_run_config

    with pytest.raises(WrongRunConfig, match=rf"ops\.generated_videos\.config.*{said}"):
        check_run_config(fresh.changed("generated_videos", **options))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a-step-00055", True),
        ("a-step-123456", True),
        ("a-step-055", False),
        ("a-step-000055", False),
        ("b-step-00055", False),
        ("b-step-00020", True),
        ("a-step-00055\n", False),
    ],
)
def test_points_are_known_by_their_names(name, found):
    assert is_point(name, [{"name": "a"}, {"name": "b", "steps": [20]}]) is found


def test_a_training_under_way_tells_its_dataset_by_its_checkpoint(fresh, run_job, tiny_checkpoint):
    keep(fresh.store, tiny_checkpoint, "running", steps=(10,))
    folder = fresh.store.training / "running" / "checkpoints" / "step-00000010"
    folder.mkdir(parents=True)
    (folder / "state.json").write_bytes(state_bytes(10, "", {"dataset_version": "0123456789ab"}))
    curves = [{"name": "now", "training": "running", "samples": 1}]
    recipe = fresh.changed("generated_videos", curves=curves)
    assert run_job(recipe, names=["now-step-00010"], only=["generated_videos"]).success
    record = read_one(fresh.folder("now-step-00010") / RUN, RunRecord)
    assert record.dataset_version == "0123456789ab" and (fresh.folder("now-step-00010") / MANIFEST).is_file()
