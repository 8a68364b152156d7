"""`evaluate_worldtasks` on a tiny model: what is recorded of a run, what is not repeated, what is refused at once."""

import json

import pytest

from evaluation.records import MANIFEST, RUN, RunRecord, VideoRecord, read_lines, read_one
from storage.files import sha256_file
from tests.benchmarks.conftest import RUNS, check_of, event_of, failure_of, materialized, write_lora

NAMES = [run["name"] for run in RUNS]


def test_every_run_is_a_partition_of_videos_judgements_and_scores(finished):
    found = {
        (event.asset_key.to_user_string(), event.partition)
        for event in finished.result.get_asset_materialization_events()
    }
    each = {(asset, name) for asset in ("generated_videos", "judgements", "scores") for name in NAMES}
    assert found == each | {("report", None)}


def test_a_score_leads_back_to_dataset_checkpoint_lora_and_prompts(finished):
    score = event_of(finished.result, "scores", "executor").metadata
    record = score["run record"].value
    lora = finished.store.training / "wmsd" / "final" / "pytorch_lora_weights.safetensors"
    assert record["lora_sha256"] == sha256_file(lora) and score["dataset version"].value == "0123456789ab+12345678"
    assert record["model"]["path"] and record["identity"] and record["benchmark_version"]
    assert set(score["prompts"].value) == {"task", "agent", "consistency"} and score["judge"].value
    assert 0 <= score["task"].value <= 1 and 0 <= score["average"].value <= 1
    assert "executor" in score["table"].value


def test_videos_show_themselves_and_where_they_come_from(finished):
    videos = event_of(finished.result, "generated_videos", "vlm").metadata
    assert videos["posters"].value.startswith("![") and len(videos["posters"].value) < 100_000
    assert (videos["videos"].value, videos["failed"].value, videos["videos made now"].value) == (3, 0, 3)
    assert videos["run record"].value["extra"]["writer"]["prompt"].startswith("solution.v1:")
    assert videos["lora"].value == "none" and videos["conditioning"].value == "vlm"


def test_all_checks_pass_and_the_report_is_one_page_over_all_runs(finished):
    checks = {one.check_name: one.passed for one in finished.result.get_asset_check_evaluations()}
    assert checks == dict.fromkeys(("no_missing_video", "failure_rate", "same_judge", "constant_judge"), True)
    report = event_of(finished.result, "report").metadata
    assert finished.page.is_file() and report["report"].value == str(finished.page)
    assert report["runs"].value == ", ".join(sorted(NAMES))
    assert "executor - base" in report["comparisons"].value and "vlm - base" in report["comparisons"].value


def test_a_second_run_repeats_no_video_and_no_question(evaluated, run_job):
    videos = sorted(evaluated.store.evaluation.glob("runs/*/videos/*.mp4"))
    before = [path.stat().st_mtime_ns for path in videos]
    page = evaluated.page.read_bytes()
    result = run_job(evaluated.recipe)
    assert result.success and len(videos) == 3 * len(RUNS)
    for name in NAMES:
        assert event_of(result, "generated_videos", name).metadata["videos made now"].value == 0
        assert event_of(result, "judgements", name).metadata["requests now"].value == 0
    assert [path.stat().st_mtime_ns for path in videos] == before
    assert evaluated.page.read_bytes() == page


def test_one_partition_is_evaluated_alone(fresh, run_job):
    result = run_job(fresh.recipe, names=["executor"])
    assert result.success
    assert [path.name for path in (fresh.store.evaluation / "runs").iterdir()] == ["executor"]
    event = event_of(result, "generated_videos", "executor")
    assert event.tags["dagster/data_version"] and event.metadata["videos made now"].value == 3


def test_a_new_executor_under_an_old_name_is_refused_or_replaces_it(evaluated, run_job, tiny_checkpoint):
    write_lora(tiny_checkpoint, evaluated.store.training / "wmsd" / "final", seed=4)
    refused = run_job(evaluated.recipe, names=["executor"], only=["generated_videos"])
    said = failure_of(refused, "generated_videos")
    assert said.startswith("ChangedRun") and "lora_sha256" in said
    old = read_one(evaluated.folder("executor") / RUN, RunRecord).lora_sha256
    replaced = run_job(evaluated.changed("generated_videos", replace=True))
    assert replaced.success
    made = {name: event_of(replaced, "generated_videos", name).metadata["videos made now"].value for name in NAMES}
    assert made == {"base": 0, "demonstrator": 0, "executor": 3, "vlm": 0}
    assert read_one(evaluated.folder("executor") / RUN, RunRecord).lora_sha256 != old
    assert event_of(replaced, "judgements", "executor").metadata["requests now"].value == 9


def test_a_further_judge_is_heard_beside_the_first(evaluated, run_job):
    noisy = [{"name": "noisy", "vlm": {"workers": 0, "judge_flip": 0.5}}]
    result = run_job(evaluated.changed("judgements", further=noisy))
    assert result.success
    assert event_of(result, "judgements", "base").metadata["further judges"].value == "noisy"
    assert (evaluated.folder("base") / "judgements.noisy.jsonl").is_file()
    assert event_of(result, "scores", "base").metadata["judge"].value == "scripted/microworld-1;frames=8"


@pytest.mark.parametrize("name", ["../out", "a/b", "", ".hidden", "a...b", "a..b", "x" * 65, "a\nb", "<script>"])
def test_a_name_that_is_no_folder_or_partition_is_refused(fresh, run_job, name):
    from assets.run_config import WrongRunConfig, check_run_config

    recipe = fresh.changed("generated_videos", runs=[{"name": name}])
    with pytest.raises(WrongRunConfig, match=r"ops\.generated_videos\.config\.runs.*letters, digits"):
        check_run_config(recipe)


@pytest.mark.parametrize(("name", "said"), [("../../out", "letters, digits"), ("other", "none of the recipe's runs")])
def test_a_partition_that_the_recipe_does_not_name_is_refused(fresh, run_job, name, said):
    result = run_job(fresh.recipe, names=[name], only=["generated_videos"])
    assert said in failure_of(result, "generated_videos")
    assert not fresh.store.evaluation.exists()


def test_a_run_without_partitions_is_answered_with_what_to_type(fresh, run_job):
    said = failure_of(run_job(fresh.recipe, tags={}), "generated_videos")
    assert "make evaluate" in said and "base, demonstrator, executor, vlm" in said and "dagster/partition" in said


def test_a_lora_that_is_not_trained_yet_is_told_before_anything_starts(fresh, run_job):
    runs = [{"name": "other", "training": "rl_only"}]
    result = run_job(fresh.changed("generated_videos", runs=runs))
    said = failure_of(result, "generated_videos")
    assert "training 'rl_only'" in said and "train it first" in said
    assert not (fresh.store.evaluation / "jobs").exists()


@pytest.mark.parametrize(
    ("stage", "options", "said"),
    [
        ("generated_videos", {"runs": []}, "runs"),
        ("generated_videos", {"runs": [{"name": "a"}, {"name": "a"}]}, "two runs are called 'a'"),
        ("generated_videos", {"runs": [{"name": "a", "training": "x", "lora": "y"}]}, "one of them is expected"),
        ("generated_videos", {"runs": [{"name": "a", "training": "../x"}]}, "letters, digits"),
        ("generated_videos", {"runs": [{"name": "a", "queries": "short"}]}, "only the benchmark vbvr"),
        ("generated_videos", {"seeds": [1, 1]}, "different numbers"),
        ("judgements", {"further": [{"questions": ["task"]}]}, "another for each further one"),
        ("judgements", {"variants": [9]}, "variants"),
        ("scores", {"expected": 0}, "expected = 0"),
        ("report", {"runs": ["../x"]}, "letters, digits"),
        ("report", {"name": "../x"}, "letters, digits"),
    ],
)
def test_a_wrong_option_stops_the_job_at_its_first_step(fresh, run_job, stage, options, said):
    from assets.run_config import WrongRunConfig, check_run_config

    with pytest.raises(WrongRunConfig, match=rf"ops\.{stage}\.config.*{said}"):
        check_run_config(fresh.changed(stage, **options))


def test_a_judge_without_its_key_stops_the_job_at_its_first_step(fresh, run_job, monkeypatch):
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    served = {"backend": "openai", "model": "m", "base_url": "http://127.0.0.1:9/v1", "api_key_env": "NO_SUCH_KEY"}
    result = run_job(fresh.changed("judgements", vlm=served))
    assert "ops.judgements.config.vlm.api_key_env" in failure_of(result, "generated_videos")
    assert materialized(result) == set()


def test_what_a_child_refuses_is_the_failures_text(fresh, run_job, tmp_path):
    result = run_job(fresh.changed("generated_videos", benchmark={"authors": {"path": str(tmp_path / "absent")}}))
    said = failure_of(result, "generated_videos")
    assert "absent" in said and materialized(result) == set()


def test_judging_what_was_not_generated_says_what_comes_before(fresh, run_job):
    said = failure_of(run_job(fresh.recipe, names=["base"], only=["judgements"]), "judgements")
    assert f"run 'base' has no {MANIFEST}" in said and "make evaluate" in said


def test_a_report_of_named_runs_holds_these_alone(evaluated, run_job):
    recipe = evaluated.changed("report", runs=["base", "vlm"], name="pair", reference="vlm")
    result = run_job(recipe, only=["report"])
    assert result.success
    metadata = event_of(result, "report").metadata
    assert metadata["runs"].value == "base, vlm" and "base - vlm" in metadata["comparisons"].value
    assert (evaluated.store.evaluation / "reports" / "pair" / "report.html").is_file() and evaluated.page.is_file()
    absent = run_job(evaluated.changed("report", runs=["absent"]), only=["report"])
    assert "run 'absent' is not in" in failure_of(absent, "report")


def test_a_missing_video_blocks_what_comes_after(fresh, run_job, tmp_path):
    from tests.generation.conftest import write_authors

    bench = write_authors(tmp_path / "bench")
    (bench / "bench" / "images" / "1_1.png").unlink()
    authors = {"authors": {"path": str(bench), "missing_images": True}}
    result = run_job(fresh.changed("generated_videos", benchmark=authors, runs=[{"name": "base"}]))
    check = check_of(result, "no_missing_video")
    assert not check.passed and "base" in check.description and "1_1 seed 0" in check.description
    assert not result.success and materialized(result) == {"generated_videos"}
    assert [one.failure[:13] for one in read_lines(fresh.folder("base") / MANIFEST, VideoRecord) if one.failure] == [
        "image_missing"
    ]
    assert json.loads((fresh.folder("base") / RUN).read_text())["samples"] == 3
