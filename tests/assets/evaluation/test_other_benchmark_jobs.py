"""`evaluate_dreamgen` and `evaluate_vbvr` on small folders of the released layouts, with a served judge and a stand-in
for the official evaluator."""

import json
import os

import pytest

from assets.evaluation.dreamgen_scores import step_options
from assets.support.evaluation.options import DreamgenScoresConfig
from assets.support.run_config import WrongRunConfig, check_run_config
from evaluation.benchmarks.dreamgen.options import DreamgenOptions
from evaluation.benchmarks.named_videos import Exported
from evaluation.records import read_lines
from tests.assets.evaluation.conftest import check_of, event_of, failure_of, materialized
from tests.evaluation.benchmarks import layouts
from tests.evaluation.benchmarks.vbvr.vbvr_rig import FAKE
from tests.models.vlm.chat_server import ChatServer

pytestmark = pytest.mark.slow

JUDGE = {"backend": "openai", "model": "judge", "base_url": "http://127.0.0.1:9/v1"}
RUNS = [{"name": "base", "role": "base"}, {"name": "executor", "training": "wmsd"}]


def recipe_for(fresh, benchmark: dict, stages: dict) -> dict:
    recipe = fresh.changed("generated_videos", benchmark=benchmark, runs=RUNS)
    del recipe["ops"]["judgements"]
    recipe["ops"] |= {name: {"config": block} for name, block in stages.items()}
    return json.loads(json.dumps(recipe))


def served(server: ChatServer) -> dict:
    """Without a preflight: requests are counted, and some answers are of no use on purpose."""
    return {"backend": "openai", "model": "judge", "base_url": server.base_url, "thinking": None, "preflight": False}


def test_dreamgen_ends_in_a_table_and_the_benchmarks_own_files(fresh, run_job, tmp_path):
    data = layouts.dreamgen(tmp_path / "eval175", {"gr1_object": 2, "gr1_behavior": 1, "gr1_env": 1})
    with ChatServer() as server:
        stages = {"dreamgen_scores": {"judge": {"vlm": served(server)}, "allow_partial": True}}
        recipe = recipe_for(fresh, {"dreamgen": {"path": str(data)}}, stages)
        result = run_job(recipe, job="evaluate_dreamgen")
        asked = len(server.bodies)
        assert result.success
        again = run_job(recipe, job="evaluate_dreamgen", names=["base"], only=["dreamgen_scores"])
        assert again.success and len(server.bodies) == asked
    assert asked == 2 * 4 * 3  # runs, videos, questions
    table = event_of(result, "dreamgen_scores", "executor").metadata["table"].value
    assert "| object |" in table and "2 of 50" in table and "PARTIAL" in table
    place = fresh.folder("executor") / "dreamgen"
    assert len(list(place.glob("videos/gr1_object/*.mp4"))) == 2 and (place / "videophy_input.csv").is_file()


@pytest.mark.parametrize("partial", [True, False])
def test_a_failed_video_of_dreamgen_stops_what_may_not_be_partial(fresh, run_job, tmp_path, partial):
    data = layouts.dreamgen(tmp_path / "eval175", {"gr1_object": 2, "gr1_behavior": 1, "gr1_env": 1})
    sorted((data / "gr1_object").glob("*.png"))[0].write_bytes(b"no picture")
    with ChatServer() as server:
        stages = {"dreamgen_scores": {"judge": {"vlm": served(server)}, "allow_partial": partial}}
        recipe = recipe_for(fresh, {"dreamgen": {"path": str(data)}}, stages)
        result = run_job(recipe, job="evaluate_dreamgen", names=["base"])
    check = check_of(result, "no_missing_video")
    assert not check.passed and "1 of 4 videos could not be made" in check.description
    assert result.success is partial
    if partial:
        assert "1 of 50" in event_of(result, "dreamgen_scores", "base").metadata["table"].value


def test_less_than_the_whole_of_dreamgen_is_refused(fresh, run_job, tmp_path):
    data = layouts.dreamgen(tmp_path / "eval175", {"gr1_object": 1, "gr1_behavior": 1, "gr1_env": 1})
    with ChatServer() as server:
        stages = {"dreamgen_scores": {"judge": {"vlm": served(server)}}}
        recipe = recipe_for(fresh, {"dreamgen": {"path": str(data)}}, stages)
        result = run_job(recipe, job="evaluate_dreamgen", names=["base"])
    said = failure_of(result, "dreamgen_scores")
    assert said.startswith("Incomplete") and "50" in said
    assert materialized(result) == {"generated_videos"}


def test_vbvr_is_scored_by_the_official_program_and_rows_are_compared(fresh, run_job, tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_EVALUATOR", "")
    data = layouts.vbvr(tmp_path / "vbvr", tasks=1, each=2, folders=False)
    stages = {
        "vbvr_queries": {"path": str(data), "unpack": True},
        "vbvr_scores": {"path": str(data), "evaluator": {"command": FAKE}, "seed": 1, "allow_partial": True},
    }
    recipe = recipe_for(fresh, {"vbvr": {"path": str(data)}}, stages)
    recipe["ops"]["generated_videos"]["config"]["seeds"] = [0, 1]
    result = run_job(recipe, job="evaluate_vbvr")
    assert result.success
    table = event_of(result, "vbvr_scores", "base").metadata["table"].value
    assert "vanilla (base)" in table and "trained (executor)" in table and "All - first" in table
    # No run takes them short, so that no VLM is asked.
    assert event_of(result, "vbvr_queries").metadata["queries"].value == "as published"
    exported = read_lines(next(fresh.folder("base").glob("vbvr/videos/*/manifest.jsonl")), Exported)
    assert {one.seed for one in exported} == {1}


def test_short_queries_are_a_run_of_their_own(fresh, run_job, tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_EVALUATOR", "")
    data = layouts.vbvr(tmp_path / "vbvr", tasks=1, each=1)
    with ChatServer(answer=json.dumps({"task": "Sort the things."})) as server:
        stages = {
            "vbvr_queries": {"path": str(data), "vlm": served(server)},
            "vbvr_scores": {"path": str(data), "evaluator": {"command": FAKE}, "allow_partial": True},
        }
        recipe = recipe_for(fresh, {"vbvr": {"path": str(data)}}, stages)
        recipe["ops"]["generated_videos"]["config"]["runs"] = [{"name": "short", "queries": "short"}]
        result = run_job(recipe, job="evaluate_vbvr")
    assert result.success
    assert event_of(result, "vbvr_queries").metadata["shortened"].value == 2
    assert "prompt_rewrite (short)" in event_of(result, "vbvr_scores", "short").metadata["table"].value
    record = event_of(result, "generated_videos", "short").metadata["run record"].value
    assert "rewrite-" in record["benchmark_version"]


def test_queries_that_the_vlm_cannot_shorten_stop_the_job_until_they_may_stay_long(fresh, run_job, tmp_path):
    data = layouts.vbvr(tmp_path / "vbvr", tasks=1, each=1)
    with ChatServer(answer="I cannot.") as server:
        block = {"path": str(data), "vlm": served(server)}
        refused, kept = (
            run_job(recipe_for(fresh, {}, {"vbvr_queries": one}), job="evaluate_vbvr", only=["vbvr_queries"])
            for one in (block, block | {"keep_failed": True})
        )
    assert "2 of 2 queries" in failure_of(refused, "vbvr_queries")
    assert "keep_failed: true" in failure_of(refused, "vbvr_queries")
    metadata = event_of(kept, "vbvr_queries").metadata
    assert (metadata["shortened"].value, metadata["left as they are"].value) == (0, 2)


def test_an_evaluator_that_is_not_installed_is_told_before_anything_is_generated(fresh, run_job, tmp_path):
    data = layouts.vbvr(tmp_path / "vbvr", tasks=1, each=1)
    stages = {"vbvr_scores": {"path": str(data), "evaluator": {"command": [os.fspath(tmp_path / "absent")]}}}
    recipe = recipe_for(fresh, {"vbvr": {"path": str(data)}}, stages)
    result = run_job(recipe, job="evaluate_vbvr", only=["generated_videos", "vbvr_scores"])
    said = failure_of(result, "generated_videos")
    assert "ops.vbvr_scores.config.evaluator" in said and "pip install" in said
    assert materialized(result) == set()


@pytest.mark.parametrize(("stage", "kind"), [("dreamgen_scores", "dreamgen"), ("vbvr_scores", "vbvr")])
def test_another_benchmarks_videos_are_refused_at_the_start(fresh, stage, kind):
    block = {"path": "x", "evaluator": {"command": FAKE}} if kind == "vbvr" else {}
    recipe = recipe_for(fresh, {"microworld": {"tasks": 1}}, {stage: block})
    with pytest.raises(WrongRunConfig, match=f"needs the benchmark {kind}: .* is microworld"):
        check_run_config(recipe)


@pytest.mark.parametrize(
    ("videos", "scores", "said"),
    [
        ({"seeds": [0, 1]}, {}, r"dreamgen_scores\.config\.seed is not set: choose one of .*\(0, 1\)"),
        ({"seeds": [0, 1]}, {"seed": 2}, r"dreamgen_scores\.config\.seed = 2.*0, 1"),
        (
            {},
            {"groups": ["objects"]},
            r"dreamgen_scores\.config\.groups.*'objects' is not known: choose from object, behavior",
        ),
        ({}, {"groups": ["object", "object"]}, "give each of them once"),
        ({}, {"groups": ["object", "robocasa"]}, "robocasa has no videos"),
        (
            {},
            {"judge": {"questions": ["physics"]}},
            r"judge\.questions.*'physics' is not known: choose from dreamgen_following",
        ),
        ({"benchmark": {"dreamgen": {"path": "x", "groups": ["gr1_env"]}}}, {}, r"generated_videos.*groups.*'gr1_env'"),
        ({}, {}, r"dreamgen_scores\.config\.judge\.vlm\.backend = 'scripted': .*Name the model"),
        (
            {},
            {"judge": {"vlm": JUDGE, "published": "nowhere"}},
            r"dreamgen_scores\.config\.judge\.published: .*eval_sr_qwen_whole\.py",
        ),
    ],
)
def test_what_dreamgens_steps_would_refuse_is_refused_before_anything_is_generated(fresh, videos, scores, said):
    recipe = recipe_for(fresh, {"dreamgen": {"path": "x"}}, {"dreamgen_scores": scores})
    recipe["ops"]["generated_videos"]["config"] |= videos
    with pytest.raises(WrongRunConfig, match=said):
        check_run_config(recipe)


def test_the_chosen_one_of_several_seeds_is_what_each_step_is_told(fresh, tmp_path):
    recipe = recipe_for(fresh, {"dreamgen": {"path": "x"}}, {"dreamgen_scores": {"seed": 1, "judge": {"vlm": JUDGE}}})
    recipe["ops"]["generated_videos"]["config"]["seeds"] = [0, 1]
    config: DreamgenScoresConfig = check_run_config(recipe)["dreamgen_scores"]
    assert DreamgenOptions(**step_options(config, "base", tmp_path, "export")).seed == 1


def test_one_of_several_seeds_is_to_be_chosen_for_vbvr(fresh):
    stages = {"vbvr_scores": {"path": "x", "evaluator": {"command": FAKE}}}
    recipe = recipe_for(fresh, {"vbvr": {"path": "x"}}, stages)
    recipe["ops"]["generated_videos"]["config"]["seeds"] = [0, 1]
    with pytest.raises(WrongRunConfig, match=r"vbvr_scores\.config\.seed is not set: choose one of .*\(0, 1\)"):
        check_run_config(recipe)
