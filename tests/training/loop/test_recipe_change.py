"""What a resumed run may be told otherwise, and what begins another run."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.loop.recipe_change import ChangedRecipe, completed, same_recipe
from training.options import TrainOptions

RECIPE = {"method": "wmsd", "run": {"steps": 10, "seed": 0}, "lora": {"targets": ["to_q"], "rank": 4}, "ltx2": None}


def test_a_changed_recipe_lists_every_change_with_both_values():
    now = {"method": "sft", "run": {"steps": 99, "seed": 1}, "lora": {"targets": ["to_q"], "rank": 4, "new": {}}}
    with pytest.raises(ChangedRecipe) as caught:
        same_recipe(RECIPE, now)
    said = str(caught.value)
    assert 'method: "wmsd" -> "sft"' in said and "run.seed: 0 -> 1" in said
    assert "ltx2: null -> (not there)" in said and "lora.new: (not there) -> {}" in said
    assert "run.steps" not in said and "rank" not in said and "another output folder" in said


def test_an_option_newer_than_the_checkpoint_counts_as_its_default():
    model = {"kind": "wan", "path": "m", "frames": 8, "height": 32, "width": 32, "fps": 4.0}
    asked = {"model": model, "conditions": "c", "output": "o", "objective": {"kind": "nft", "timesteps": 2}}
    options = TrainOptions.model_validate(asked)
    now = options.model_dump(mode="json")
    older = json.loads(json.dumps(now))
    del older["regularisers"], older["distill"]["flow_time"], older["objective"]["beta"], older["model"]["ltx2"]
    assert completed(older, options) == now
    del older["objective"]  # then it trained as today's default does, which is another objective
    other = TrainOptions.model_validate(asked | {"distill": {"flow_time": False}})
    older["gone"] = 1
    with pytest.raises(ChangedRecipe) as caught:
        same_recipe(completed(older, other), other.model_dump(mode="json"))
    said = str(caught.value)
    assert "distill.flow_time: true -> false" in said and 'objective.kind: "awm" -> "nft"' in said
    assert "gone: 1 -> (not there)" in said and "regularisers" not in said


def judged_by(**vlm) -> dict:
    return {"rewards": {"judge": {"vlm": {"backend": "openai", "model": "m", "timeout_s": 60.0} | vlm}}}


def test_after_an_outage_a_judge_may_be_asked_more_patiently_and_elsewhere():
    same_recipe(judged_by(), judged_by(timeout_s=600.0, concurrency=2, max_retries=9, base_url="http://127.0.0.1:1/v1"))


@pytest.mark.parametrize("name", ["model", "temperature", "judge_noise", "judge_flip", "thinking"])
def test_what_decides_its_answers_may_not_change(name):
    with pytest.raises(ChangedRecipe, match=rf"rewards.judge.vlm.{name}"):
        same_recipe(judged_by(), judged_by(**{name: 1}))


def test_what_may_differ_is_a_key_or_all_below_it_and_tuples_are_lists():
    same_recipe(RECIPE, {**RECIPE, "lora": {"targets": ("to_q",), "rank": 4}})
    same_recipe(RECIPE, {**RECIPE, "lora": {"targets": [], "rank": 8}}, may_differ=("lora",))
    with pytest.raises(ChangedRecipe, match="lora_two"):
        same_recipe(RECIPE, {**RECIPE, "lora_two": 1}, may_differ=("lora",))


KEYS = st.sampled_from(["a", "b", "run", "steps"])
VALUES = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text(max_size=3)
JSON = st.dictionaries(KEYS, st.recursive(VALUES, lambda inner: st.dictionaries(KEYS, inner, max_size=3), max_leaves=8))


@settings(deadline=None)
@given(JSON, JSON)
def test_recipes_agree_exactly_when_they_are_equal(left, right):
    same_recipe(left, json.loads(json.dumps(left)), may_differ=())
    if json.dumps(left, sort_keys=True) != json.dumps(right, sort_keys=True) and left != right:
        with pytest.raises(ChangedRecipe):
            same_recipe(left, right, may_differ=())
