"""`evaluate_worldtasks` on a tiny model: what is recorded of a run, what is not repeated, what is refused at once."""

import json

import dagster as dg
import pytest

from evaluation.checks import no_missing_video
from evaluation.records import MANIFEST, RUN, RunRecord, VideoRecord, read_lines, read_one
from storage.files import sha256_file
from tests.assets.evaluation.conftest import RUNS, check_of, event_of, failure_of, materialized, write_lora

pytestmark = pytest.mark.slow

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
    from assets.support.run_config import WrongRunConfig, check_run_config

    recipe = fresh.changed("generated_videos", runs=[{"name": name}])
    with pytest.raises(WrongRunConfig, match=r"ops\.generated_videos\.config\.runs.*letters, digits"):
        check_run_config(recipe)


@pytest.mark.parametrize(("name", "said"), [("../../out", "letters, digits"), ("other", "not a run of the recipe")])
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
        ("generated_videos", {"runs": [{"name": "a"}, {"name": "a"}]}, "two runs or curves are called 'a'"),
        ("generated_videos", {"runs": [{"name": "a", "training": "x", "lora": "y"}]}, "set only one"),
        ("generated_videos", {"runs": [{"name": "a", "training": "../x"}]}, "letters, digits"),
        ("generated_videos", {"runs": [{"name": "a", "executor": "01234567"}]}, "name the training that holds it"),
        ("generated_videos", {"runs": [{"name": "a", "queries": "short"}]}, "only the benchmark vbvr"),
        ("generated_videos", {"seeds": [1, 1]}, "different whole numbers"),
        ("judgements", {"further": [{"questions": ["task"]}]}, "each further one its own"),
        ("judgements", {"variants": [9]}, "variants"),
        ("scores", {"expected": 0}, "expected = 0"),
        ("report", {"runs": ["../x"]}, "letters, digits"),
        ("report", {"name": "../x"}, "letters, digits"),
    ],
)
def test_a_wrong_option_stops_the_job_at_its_first_step(fresh, run_job, stage, options, said):
    from assets.support.run_config import WrongRunConfig, check_run_config

    with pytest.raises(WrongRunConfig, match=rf"ops\.{stage}\.config.*{said}"):
        check_run_config(fresh.changed(stage, **options))


def test_a_judge_without_its_key_stops_the_job_at_its_first_step(fresh, run_job, monkeypatch):
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    served = {"backend": "openai", "model": "m", "base_url": "http://127.0.0.1:9/v1", "api_key_env": "NO_SUCH_KEY"}
    result = run_job(fresh.changed("judgements", vlm=served))
    assert "ops.judgements.config.vlm.api_key_env" in failure_of(result, "generated_videos")
    assert materialized(result) == set()


def test_rows_of_fewer_samples_are_scored_beside_rows_over_as_many_as_expected(fresh, run_job):
    runs = [{"name": "base", "role": "base"}, {"name": "quick", "samples": 2, "sampler": {"steps": 1}}]
    recipe = fresh.changed("generated_videos", runs=runs)
    recipe["ops"]["scores"] = {"config": {"expected": 3}}
    result = run_job(recipe)
    assert result.success and check_of(result, "same_judge").passed and check_of(result, "no_missing_video").passed
    assert event_of(result, "scores", "quick").metadata["average"].value is not None


def test_a_benchmark_of_another_size_than_expected_is_refused_before_anything_is_made(fresh, run_job):
    recipe = fresh.recipe | {"ops": fresh.recipe["ops"] | {"scores": {"config": {"expected": 200}}}}
    result = run_job(recipe, names=["base", "vlm"])
    assert "3 samples of microworld" in failure_of(result, "generated_videos")
    assert "`expected` is 200" in failure_of(result, "generated_videos")
    assert materialized(result) == set() and not list(fresh.store.evaluation.rglob("*.mp4"))


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


def test_each_way_to_start_runs_gives_their_assets_data_versions(evaluated, run_job):
    def versions(result) -> dict[str, tuple[str, str]]:
        events = [event for event in result.get_asset_materialization_events() if event.partition == "base"]
        made = {event.asset_key.to_user_string(): event.materialization for event in events}
        return {key: (one.tags["dagster/data_version"], one.metadata["version"].value) for key, one in made.items()}

    alone, together = versions(run_job(evaluated.recipe, names=["base"])), versions(run_job(evaluated.recipe))
    assert all(version == own for version, own in alone.values()) and len(alone) == 3
    assert {key: own for key, (_, own) in together.items()} == {key: own for key, (_, own) in alone.items()}
    assert versions(run_job(evaluated.recipe)) == together
    changed = versions(run_job(evaluated.changed("generated_videos", sampler={"steps": 3}, replace=True)))
    assert all(changed[key][0] != together[key][0] for key in ("generated_videos", "judgements", "scores"))


def test_an_executor_that_was_trained_again_is_not_taken_for_the_one_before(fresh, run_job):
    def recipe(version: str) -> dict:
        return fresh.changed("generated_videos", runs=[{"name": "x", "training": "wmsd", "executor": version}])

    note = fresh.store.training / "wmsd" / "done.json"
    note.write_text(json.dumps({"fingerprint": "01234567" * 8, "dataset_version": ""}))
    assert run_job(recipe("0123456701234567"), only=["generated_videos"]).success
    said = failure_of(run_job(recipe("fedcba9876543210"), only=["generated_videos"]), "generated_videos")
    assert "needs Executor fedcba9876543210" in said and "now holds 0123456701234567" in said
    note.unlink()  # the next training is under way
    said = failure_of(run_job(recipe("0123456701234567"), only=["generated_videos"]), "generated_videos")
    assert "now holds no finished one" in said


def test_a_stale_run_stands_on_the_page_and_does_not_fail_it(evaluated, run_job):
    path = evaluated.folder("vlm") / MANIFEST
    first, *others = path.read_text().splitlines(keepends=True)
    path.write_text("".join([json.dumps(json.loads(first) | {"sha256": "0" * 64}) + "\n", *others]))
    result = run_job(evaluated.recipe, only=["report"])
    assert result.success
    metadata = event_of(result, "report").metadata
    assert list(metadata["not scored"].value) == ["vlm"] and "vlm" not in metadata["table"].value
    assert "executor - base" in metadata["comparisons"].value and "vlm - base" not in metadata["comparisons"].value


def test_two_reports_are_never_made_at_once(repository):
    import yaml

    from pipelines.definitions import defs

    assert defs.resolve_job_def("evaluate_worldtasks").get_node_named("report").definition.pools == {"report"}
    assert yaml.safe_load((repository / "dagster.yaml").read_text())["concurrency"]["pools"]["default_limit"] == 1


@pytest.fixture
def failing(fresh, tmp_path):
    """A recipe of two runs, of whose six videos one has no image, and one no solution."""
    from tests.evaluation.generation.conftest import write_authors

    bench = write_authors(tmp_path / "bench") / "bench"
    (bench / "images" / "1_1.png").unlink()
    rows = [json.loads(line) for line in (bench / "bench.jsonl").read_text().splitlines()]
    del rows[2]["solution"]
    (bench / "bench.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    runs = [{"name": "base"}, {"name": "demo", "conditioning": "demonstrator"}]
    authors = {"authors": {"path": str(bench.parent), "missing_images": True}}
    return lambda **options: fresh.changed("generated_videos", benchmark=authors, runs=runs, **options)


def test_more_failed_videos_than_are_accepted_block_what_comes_after(failing, run_job):
    result = run_job(failing())
    check = check_of(result, "no_missing_video")
    assert not check.passed and check.severity is dg.AssetCheckSeverity.ERROR
    assert "demo: 2 of 3 videos could not be made: 1_1 seed 0, 2_1 seed 0; at most 3.0% may fail" in check.description
    assert not result.success and materialized(result) == {"generated_videos"}


def test_failed_videos_that_are_accepted_are_a_warning_and_count_as_failed_judgements(fresh, failing, run_job):
    result = run_job(failing(failed_share=0.34))  # of three: the one without a solution; missing images are accepted
    check = check_of(result, "no_missing_video")
    assert not check.passed and check.severity is dg.AssetCheckSeverity.WARN
    assert "base: 1 of 3 videos could not be made: 1_1 seed 0" in check.description
    assert result.success and "report" in materialized(result)
    failed = check_of(result, "failure_rate")
    assert "demo: task: 2 of 3 judgements failed" in failed.description
    kinds = [one.failure.split(":")[0] for one in read_lines(fresh.folder("demo") / MANIFEST, VideoRecord)]
    assert kinds == ["", "image_missing", "no_solution"]


def test_missing_images_alone_stop_nothing_where_they_are_accepted(failing, run_job):
    result = run_job(failing(), names=["base"])
    assert result.success and check_of(result, "no_missing_video").severity is dg.AssetCheckSeverity.WARN


def test_a_video_that_no_record_tells_of_blocks_whatever_share_may_fail(evaluated, run_job):
    path = evaluated.folder("vlm") / MANIFEST
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    found = no_missing_video(evaluated.folder("vlm"), limit=1.0, missing_images=True)
    assert not found.passed and found.blocking and found.details["missing"] == 1
