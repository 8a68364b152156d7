"""An object that a model wrote is found in whatever stands around it, and none is made of prose."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.vlm.answers import completion
from models.vlm.failures import MENDABLE
from models.vlm.json_answers import find_object
from models.vlm.protocol import Usage

PAIRS = {
    "type": "object",
    "properties": {
        "pairs": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"task": {"type": "string"}, "solution": {"type": "string"}},
                "required": ["task", "solution"],
                "additionalProperties": False,
            },
            "minItems": 2,
            "maxItems": 2,
        }
    },
    "required": ["pairs"],
    "additionalProperties": False,
}
WORD = {
    "type": "object",
    "properties": {"word": {"type": "string"}},
    "required": ["word"],
    "additionalProperties": False,
}

TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
PAIR = st.fixed_dictionaries({"task": TEXT, "solution": TEXT})
OBJECT = st.fixed_dictionaries({"pairs": st.lists(PAIR, min_size=2, max_size=2)})
INDENT = st.sampled_from([None, 0, 2])
# Prose as models write it, with brackets and marks of its own that are no JSON, and JSON that was not asked for.
PROSE = st.lists(
    st.sampled_from(
        [
            "Sure, here it is:",
            "The [Red disc] moves {slowly}.",
            'I call it "{".',
            "Let me know [1] if more is needed!",
            '{"note": "an example"}',
            "[1, 2]",
            "}",
            "{",
            "```",
            "\n\n",
            "don't: it's 3 < 4",
        ]
    ),
    max_size=5,
).map(" ".join)
DRAFT = json.dumps({"pairs": [{"task": "draft", "solution": "draft"}] * 2})
THOUGHTS = st.sampled_from(
    ["", "<think></think>", f"<think>\nPerhaps {DRAFT}?\n</think>", f"Hm, {DRAFT} </think>\n", "<THINK>{</THINK>"]
)
FENCE = st.sampled_from(
    [("", ""), ("```json\n", "\n```"), ("```\n", "```"), ("```JSON\n", "\n```\n"), ("", "}"), ("{", "")]
)


def found(text, schema=PAIRS, **more):
    return completion(text, schema, Usage(), **more)


@given(OBJECT, INDENT, st.booleans(), THOUGHTS, PROSE, FENCE, PROSE)
def test_the_object_is_found_in_fences_prose_thoughts_and_beside_a_bracket_too_many(
    value, indent, ascii_only, thoughts, before, fence, after
):
    text = fence[0] + json.dumps(value, indent=indent, ensure_ascii=ascii_only) + fence[1]
    assert found(f"{thoughts}{before}\n{text}\n{after}").value == value


@given(PROSE, THOUGHTS, PROSE)
def test_no_object_is_made_of_prose_or_taken_from_thoughts(before, thoughts, after):
    assert found(f"{before}{thoughts}{after}").value is None


@settings(max_examples=40, deadline=None)
@given(OBJECT, st.data())
def test_of_a_cut_object_nothing_is_taken(value, data):
    text = json.dumps(value)
    cut = data.draw(st.integers(0, text.rindex('"') - 1))
    answer = found(text[:cut])
    assert answer.value is None and answer.error in MENDABLE
    assert not find_object(text[:cut], lambda one: isinstance(one, dict) and "pairs" in one)[0]


@given(st.text(st.sampled_from('{}[]":,\\ \nab1'), max_size=60))
@example('{"":1}')
@example('{"\n\\b":""}')
def test_whatever_is_found_stands_in_the_text(text):
    value, _ = find_object(text, lambda found: isinstance(found, dict))
    for word in _strings(value) if value is not None else ():
        written = json.dumps(word)[1:-1].replace("\\n", "\n")  # a line break can only stand there as it is
        assert written in text or word in text


def _strings(value):
    if isinstance(value, str):
        return [value]
    items = value if isinstance(value, list) else [*value, *value.values()] if isinstance(value, dict) else []
    return [word for item in items for word in _strings(item)]


GIVEN = {"pairs": [{"task": "a b", "solution": "c"}, {"task": "d", "solution": "e"}]}


@pytest.mark.parametrize(
    "text",
    [
        '{"pairs": [{"task": "a b", "solution": "c"}}, {"task": "d", "solution": "e"}]}',  # a bracket too many, within
        '{"pairs": [{"task": "a b", "solution": "c"} {"task": "d", "solution": "e"}]}',  # a comma too few
        '{"pairs": [{"task": "a b", "solution": "c",}, {"task": "d", "solution": "e"},],}',
        "{'pairs': [{'task': 'a b', 'solution': 'c'}, {'task': 'd', 'solution': 'e'}]}",
        'Here:\n```json\n{pairs: [{"task": "a b", "solution": "c"}, {"task": "d", "solution": "e"}]}\n```'.replace(
            "pairs", '"pairs"', 1
        ).replace("},", "}", 1),
    ],
)
def test_small_slips_are_mended(text):
    assert found(text).value == GIVEN


@pytest.mark.parametrize(
    "text",
    [
        '{"word": NaN}',
        '{"word": hello}',
        '{"word": 1e999}',
        '{"word": "a" and more}',
        '{"word": "hel',
        '{"words": "hello"}',
        "{word}",
        '[{"word": "a"}]',
        '{"answer": {"word": "a"}}',
        '"word"',
        '<think>{"word": "a"}',
        '<think>{"word": "a"}</think>',
    ],
)
def test_what_was_not_said_is_not_made_up(text):
    assert found(text, WORD).value is None


def test_the_last_of_several_objects_counts_and_tags_within_it_are_its_words():
    assert found('{"word": "draft"} Rather: {"word": "final"}', WORD).value == {"word": "final"}
    assert found('{"word": "a </think> b"}, as asked', WORD).value == {"word": "a </think> b"}
    assert found('{"word": "two\nlines"}', WORD).value == {"word": "two\nlines"}


def test_an_answer_that_the_server_took_for_thoughts_is_found_there():
    assert found(None, WORD, reasoning='So: {"word": "a"}').value == {"word": "a"}
    assert found(" ", WORD, reasoning="").error == "empty"
    assert found('{"word": "b"}', WORD, reasoning='{"word": "a"}').value == {"word": "b"}


@pytest.mark.parametrize("text", ["{" * 200_000, '{"a":' * 50_000, "[" * 200_000, '{"' * 100_000, "{\\" * 100_000])
def test_a_hostile_text_takes_no_time(text):
    import time

    began = time.process_time()
    assert found(text).error == "invalid_json"
    assert time.process_time() - began < 10
