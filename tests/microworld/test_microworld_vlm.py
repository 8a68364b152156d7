"""The scripted VLM: honours the protocol, decides from pixels, and errs as often as it is told to."""

import asyncio
import math

import numpy as np
import pytest

from microworld.families import build_task
from microworld.flaws import FLAWS, PAPER_RATE, spoil
from microworld.grammar import TaskNotUnderstood, parse
from microworld.render import render_scene
from microworld.scene import sample_scene
from microworld.scripted_vlm import ScriptedVLM
from models.vlm.prompts import prompt, template
from models.vlm.protocol import Image, Prompt, Video

SCHEMA = {
    "type": "object",
    "properties": {
        "pairs": {
            "type": "array",
            "minItems": 8,
            "maxItems": 8,
            "items": {
                "type": "object",
                "properties": {"task": {"type": "string"}, "solution": {"type": "string"}},
                "required": ["task", "solution"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["pairs"],
    "additionalProperties": False,
}


def ask(vlm, image, seed=0, schema=SCHEMA, max_tokens=4096):
    question = prompt("tasks", count="8")
    return asyncio.run(vlm.complete(question, [image], schema, max_tokens=max_tokens, seed=seed))


def screen(vlm, image):
    return asyncio.run(vlm.log_odds(prompt("screening"), [image]))


def judge_prompt(name, task):
    return Prompt(name, 1, "0" * 16, task, {"task": task})


@pytest.fixture(scope="module")
def image(draw, jpeg):
    return Image(jpeg(render_scene(draw(0)[0], 256)))


def test_eight_pairs_of_things_that_the_picture_shows(draw, jpeg):
    for seed in range(6):
        scene, _ = draw(seed)
        answer = ask(ScriptedVLM(flaw_rate=0), Image(jpeg(render_scene(scene, 256), 85)))
        assert answer.error == ""
        pairs = answer.value["pairs"]
        assert len({pair["task"] for pair in pairs}) == 8
        for pair in pairs:
            task = build_task(scene.layout, pair["task"])
            assert task is not None, "possible in the true scene, not only in the one read"
            # Positions were read from pixels: the words may differ where a thing lies on the line of two cells.
            assert 40 <= len(pair["solution"].split()) <= 90
        assert answer.usage.prompt_tokens > 100
        assert answer.usage.completion_tokens > 300


def test_the_same_bytes_and_seed_give_the_same_answer_and_another_seed_another(image):
    assert ask(ScriptedVLM(), image) == ask(ScriptedVLM(), image)
    assert ask(ScriptedVLM(), image).text != ask(ScriptedVLM(), image, seed=1).text


def test_an_answer_over_the_token_limit_is_truncated(image):
    answer = ask(ScriptedVLM(), image, max_tokens=100)
    assert (answer.value, answer.error, answer.usage.completion_tokens) == (None, "truncated", 100)


def test_an_answer_that_does_not_fit_is_never_passed_off_as_valid(image):
    answer = ask(ScriptedVLM(), image, schema={"type": "object", "required": ["other"]})
    assert (answer.value, answer.error) == (None, "wrong_schema")


def test_flaws_come_at_their_rate_and_in_every_way(draw):
    _, tasks = draw(0, 8)
    pairs = [(task.text, task.solution) for task in tasks]
    spoiled = [spoil(pairs, str(i), PAPER_RATE) for i in range(500)]
    changed = sum(a != b for one in spoiled for a, b in zip(one, pairs, strict=True))
    assert abs(changed / (500 * 8) - PAPER_RATE) < 0.015
    assert spoil(pairs, "x", 0) == pairs
    # Each way breaks the pair by a rule that the tasks stage can name.
    for name, way in FLAWS.items():
        t, d = way(*pairs[1], pairs[:1])
        assert (t, d) != pairs[1], name
        broken_text = name in ("same_text", "duplicate", "solution_too_short", "solution_too_long")
        if not broken_text:
            with pytest.raises(TaskNotUnderstood):
                parse(t)


def test_screening_says_yes_to_scenes_and_no_without_agents(draw, jpeg):
    vlm = ScriptedVLM()
    for seed in range(8):
        assert screen(vlm, Image(jpeg(render_scene(draw(seed)[0], 256)))).value > 1
        empty = sample_scene(np.random.default_rng(seed), agents=(0, 0))
        assert screen(vlm, Image(jpeg(render_scene(empty, 256)))).value < -1


def test_screening_is_graded_by_what_there_is_to_do(draw, jpeg):
    little = sample_scene(np.random.default_rng(1), agents=(1, 1), landmarks=(0, 0))
    much = sample_scene(np.random.default_rng(1), agents=(3, 3), landmarks=(3, 3))
    low, high = (screen(ScriptedVLM(), Image(jpeg(render_scene(s, 256)))).value for s in (little, much))
    assert low < high - 1


def test_log_odds_are_a_proper_distribution(image):
    odds = screen(ScriptedVLM(), image)
    assert odds.exact
    assert odds.value == pytest.approx(odds.log_p_yes - odds.log_p_no)
    assert math.exp(odds.log_p_yes) + math.exp(odds.log_p_no) == pytest.approx(1)


def test_real_photos_are_refused_unless_asked_for_and_then_labelled(photos, jpeg):
    picture = Image(jpeg(photos[0]))
    strict, loose = ScriptedVLM(), ScriptedVLM(photo_tasks=True, flaw_rate=0)
    assert screen(strict, picture).value < -2
    assert ask(strict, picture).error == "refused"
    assert strict.model_id == "scripted/microworld-1"
    assert loose.model_id == "scripted/microworld-1+photo;flaw_rate=0"  # what changes answers is in the id
    pairs = ask(loose, picture).value["pairs"]
    assert len({pair["task"] for pair in pairs}) == 8
    assert all(pair["task"].startswith("[First-person view]: ") and pair["task"].endswith(".") for pair in pairs)
    assert all(40 <= len(pair["solution"].split()) <= 90 for pair in pairs)
    scores = [screen(loose, Image(jpeg(photo))).value for photo in photos]
    assert len(set(scores)) > len(scores) // 2
    assert max(scores) > 0


def test_the_taxonomy_has_only_the_prompt_s_categories(draw):
    texts = [task.text for seed in range(12) for task in draw(seed, 8)[1]]
    texts += ["[First-person view]: Look at the brightest area on the left.", "Nonsense"]
    numbered = "\n".join(f"{i}. {text}" for i, text in enumerate(texts, 1))
    question = prompt("taxonomy", count=str(len(texts)), tasks=numbered)
    answer = asyncio.run(ScriptedVLM().complete(question, [], {}, max_tokens=10**6))
    labels = answer.value["labels"]
    assert [entry["number"] for entry in labels] == list(range(1, len(texts) + 1))
    for entry in labels:
        for column in ("agent_category", "task_type"):
            assert f"- {entry[column]}:" in template("taxonomy")[1]
    assert {entry["task_type"] for entry in labels} >= {
        "navigation", "positioning", "object_interaction", "compound", "perception", "other",
    }  # fmt: skip
    assert labels[-2]["agent_category"] == "first_person"


def test_judging_prompts_reach_the_judge(draw, act, jpeg):
    scene, (task, *_) = draw(4, 1, ("movement",))
    frames = act(scene, task, 8, 128)
    video = Video(tuple(jpeg(frame) for frame in frames), tuple(i / 8 for i in range(8)))
    still = Video(video.frames[:1] * 8, video.times_s)
    vlm = ScriptedVLM()

    def value(name, media, text=task.text):
        return asyncio.run(vlm.log_odds(judge_prompt(name, text), [media])).value

    for name in ("judge_task", "judge_agent", "judge_consistency"):
        assert value(name, video) > 0, name
    assert value("judge_task", still) < 0 < value("judge_consistency", still)
    assert value("judge_task", video, "[Nobody]: Do nothing.") < -5


@pytest.mark.parametrize("name", ["poem", "judge_beauty"])
def test_unknown_prompts_are_refused_by_name(image, name):
    with pytest.raises(ValueError, match=name):
        asyncio.run(ScriptedVLM().log_odds(judge_prompt(name, ""), [image]))
    with pytest.raises(ValueError, match=name):
        asyncio.run(ScriptedVLM().complete(judge_prompt(name, ""), [image], {}, max_tokens=10))


def test_wrong_media_are_refused(image):
    with pytest.raises(ValueError, match="exactly one Image"):
        asyncio.run(ScriptedVLM().log_odds(prompt("screening"), [image, image]))
    with pytest.raises(ValueError, match="exactly one Video"):
        asyncio.run(ScriptedVLM().log_odds(judge_prompt("judge_task", ""), [image]))


@pytest.mark.parametrize("rate", [-0.1, 1.5])
def test_a_rate_outside_its_range_is_refused(rate):
    with pytest.raises(ValueError, match=str(rate)):
        ScriptedVLM(flaw_rate=rate)


def test_many_requests_at_once_do_not_block_the_loop(image):
    async def run():
        vlm = ScriptedVLM()
        answers = await asyncio.gather(*[vlm.log_odds(prompt("screening"), [image]) for _ in range(16)])
        await vlm.aclose()
        return {answer.value for answer in answers}

    assert len(asyncio.run(run())) == 1
