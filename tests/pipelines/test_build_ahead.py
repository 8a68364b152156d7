"""A build learns at its start that the VLM's server cannot answer, and needs no server where nothing is asked."""

import dagster as dg
import pytest

from models.vlm import preflight
from tests.models.vlm.chat_server import ChatServer
from tests.pipelines.conftest import small_recipe

pytestmark = pytest.mark.slow

STAGES = ("clips", "frames", "quality", "aesthetics", "screening")


def build(recipe: dict, only=STAGES) -> dg.ExecuteInProcessResult:
    """One shard of the recipe, in this process."""
    from pipelines.definitions import defs

    recipe = recipe | {"ops": {name: block for name, block in recipe["ops"].items() if name in only}}
    with dg.instance_for_test() as instance:
        return defs.resolve_job_def("build_worldtasks").execute_in_process(
            run_config=recipe,
            tags={"dagster/partition": "shard-0000"},
            instance=instance,
            raise_on_error=False,
            asset_selection=[dg.AssetKey(name) for name in only],
        )


def recipe_for(root, address: str, clips: int = 12) -> dict:
    recipe = small_recipe(root, clips)
    served = {"backend": "openai", "model": "m", "base_url": address, "max_retries": 0, "backoff_s": 0.001}
    recipe["resources"]["vlm"]["config"] = served
    return recipe


def made(result) -> set[str]:
    return {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()}


def why(result, asset: str) -> str:
    return result.failure_data_for_node(asset).user_failure_data.description


def is_ahead(body: dict) -> bool:
    return "only test the connection" in body["messages"][0]["content"][-1]["text"]


def test_a_server_that_is_not_there_stops_a_build_before_a_frame_is_decoded(tmp_path):
    with ChatServer() as gone:
        recipe = recipe_for(tmp_path, gone.base_url)
    result = build(recipe)
    assert made(result) == {"clips"}
    assert why(result, "frames") == (
        f"the VLM server at {gone.base_url} (model 'm') is not ready: connection: connection refused: nothing listens "
        "at this address. Start the server, or correct base_url"
    )
    assert not list(tmp_path.rglob("*.jpg"))
    assert made(build(recipe, ("clips", "frames"))) == {"clips", "frames"}, "without a stage that asks, none is needed"


def test_a_server_without_what_a_later_stage_needs_stops_a_build_early(tmp_path):
    with ChatServer() as server:
        server.refuses = ("response_format",)
        result = build(recipe_for(tmp_path, server.base_url), (*STAGES, "tasks"))
        assert made(result) == {"clips"} and "response_format" in why(result, "frames")
        assert made(build(recipe_for(tmp_path, server.base_url))) == set(STAGES), "screening needs no JSON"


def test_a_build_asks_ahead_once_and_a_rebuild_with_nothing_to_ask_needs_no_server(tmp_path):
    with ChatServer() as server:
        recipe = recipe_for(tmp_path, server.base_url)
        assert made(build(recipe)) == set(STAGES)
        assert [is_ahead(body) for body in server.bodies].count(True) == 1 and is_ahead(server.bodies[0])
        assert len(server.bodies) > 2
    preflight.PASSED.clear()
    assert made(build(recipe)) == set(STAGES)

    recipe["ops"]["frames"]["config"]["count"] = 3
    assert made(build(recipe)) == {"clips"}, "other frames will be asked about"
    more = recipe_for(tmp_path, server.base_url, clips=60)
    assert made(build(more)) == {"clips"}, "new clips will be asked about"


def test_frames_that_are_made_again_as_they_were_need_no_server(tmp_path):
    """Their files are gone; the answers about them are in the journal."""
    with ChatServer() as server:
        recipe = recipe_for(tmp_path, server.base_url)
        assert made(build(recipe)) == set(STAGES)
    preflight.PASSED.clear()
    for picture in tmp_path.rglob("*.jpg"):
        picture.unlink()
    assert made(build(recipe)) == set(STAGES)


def test_a_stage_that_has_something_to_ask_asks_ahead_itself(tmp_path):
    with ChatServer() as server:
        recipe = recipe_for(tmp_path, server.base_url)
        assert made(build(recipe, STAGES[:-1])) == set(STAGES[:-1])
        assert not server.bodies
        server.gives_logprobs = False
        result = build(recipe)
        assert made(result) == set(STAGES[:-1]) and len(server.bodies) == 1
    assert "no_logprobs" in why(result, "screening") and "`answer: text`" in why(result, "screening")
