"""`evaluate_worldtasks` learns that a judge cannot answer before it makes a video."""

import pytest

from assets.support.evaluation.launch import judges_ahead
from assets.support.run_config import check_run_config
from tests.assets.evaluation.conftest import failure_of, materialized
from tests.models.vlm.chat_server import ChatServer

pytestmark = pytest.mark.slow


def test_a_judge_that_does_not_answer_stops_the_job_before_a_video_is_made(fresh, run_job):
    with ChatServer() as gone:
        pass
    served = {"backend": "openai", "model": "m", "base_url": gone.base_url, "max_retries": 0}
    result = run_job(fresh.changed("judgements", vlm=served), names=["base"])
    said = failure_of(result, "generated_videos")
    assert said.startswith(f"NotReady: the VLM server at {gone.base_url} (model 'm') is not ready: connection: ")
    assert materialized(result) == set() and not list(fresh.store.evaluation.rglob("*.mp4"))


def test_all_who_will_judge_are_asked_ahead(fresh):
    served = {"backend": "openai", "model": "m", "base_url": "http://127.0.0.1:9/v1"}
    recipe = fresh.changed("judgements", vlm=served, frames=5, further=[{"name": "second", "frames": 30}])
    first, second = judges_ahead(check_run_config(recipe))
    assert (first["vlm"]["base_url"], first["frames"]) == ("http://127.0.0.1:9/v1", 5)
    assert (second["vlm"]["backend"], second["frames"]) == ("scripted", 8)  # a video has no more frames
    del recipe["ops"]["judgements"]
    assert judges_ahead(check_run_config(recipe)) == []
