"""Tasks: T names a goal, the motion reaches it without touching anybody, and D spells the motion out."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microworld.exact_judge import FASTEST
from microworld.families import build_task, instructions, sample_tasks
from microworld.grammar import CLAUSES, FAMILIES, TaskNotUnderstood, goal, parse
from microworld.motion import STILL, end_state, states
from microworld.planning import CONTACT
from microworld.scene import Layout, Thing, held_out
from microworld.wording import place

seeds = st.integers(0, 100_000)
ROOM = Layout(
    4,
    4,
    (
        Thing("agent", "disc", "red", 3.5, 0.5),
        Thing("agent", "square", "green", 1.5, 1.5),
        Thing("landmark", "frame", "blue", 1.5, 3.5),
        Thing("landmark", "ring", "yellow", 3.5, 3.5),
    ),
)


@pytest.mark.slow
@given(seeds)
@settings(max_examples=25, deadline=None)
def test_text_and_instruction_are_each_other_s_inverse(draw, seed):
    for instruction in instructions(draw(seed)[0].layout):
        assert parse(instruction.text) == instruction
        assert parse(instruction.text.upper()) == instruction


@given(seeds)
@settings(max_examples=25, deadline=None)
def test_a_motion_reaches_its_own_goal_and_starts_outside_it(draw, truth, seed):
    scene, tasks = draw(seed, 8)
    for task in tasks:
        assert truth(scene, task, task.text) > 1.0, task.text
        assert truth(scene, replace(task, program=STILL), task.text) < 0, task.text


@given(seeds)
@settings(max_examples=25, deadline=None)
def test_nobody_is_touched_but_by_a_push_and_nobody_leaves_the_picture(draw, seed):
    scene, tasks = draw(seed, 8)
    agents = [i for i, thing in enumerate(scene.layout.things) if thing.kind == "agent"]
    for task in tasks:
        positions, _ = states(scene.layout, task.program, 40)
        for n, i in enumerate(agents):
            for j in agents[n + 1 :]:
                assert np.hypot(*(positions[:, i] - positions[:, j]).T).min() > 0.58, task.text
        assert (positions > 0.25).all()
        assert (positions < np.array([scene.layout.rows, scene.layout.cols]) - 0.25).all()
        speed = np.hypot(*np.diff(positions, axis=0).transpose(2, 0, 1)).max() * 39
        assert speed <= FASTEST, task.text


@given(seeds)
@settings(max_examples=25, deadline=None)
def test_d_is_a_full_description_that_does_not_need_t(draw, seed):
    scene, tasks = draw(seed, 8)
    for task in tasks:
        assert len(task.text.split()) <= 25
        assert 40 <= len(task.solution.split()) <= 90, task.solution
        assert task.solution != task.text
        assert task.text.rstrip(".") not in task.solution
        ends, colours = end_state(scene.layout, task.program)
        agent = scene.layout.index(task.instruction.agent)
        moved_far = np.hypot(*(ends[agent] - [scene.layout.things[agent].y, scene.layout.things[agent].x])) > 0.5
        pushed = task.instruction.clauses[-1].verb == "push"
        if moved_far and not pushed:
            assert place(*ends[agent]) in task.solution, "D gives the resting place"
        if colours[agent] != scene.layout.things[agent].colour:
            assert f"to {colours[agent]}" in task.solution


def test_d_tells_way_distance_and_resting_place():
    d = build_task(ROOM, "[Red disc]: Move to the blue frame.").solution
    for words in ("row 4, column 1", "three cells right and two cells up", "row 2, column 4", "on the blue frame"):
        assert words in d


def test_a_push_is_told_with_both_ways():
    task = build_task(ROOM, "[Red disc]: Push the green square onto the blue frame.")
    assert "pushes the green square two cells right" in task.brief
    ends, _ = end_state(ROOM, task.program)
    assert ends[1] == pytest.approx((1.5, 3.5), abs=1e-3)
    assert np.hypot(*(ends[0] - ends[1])) == pytest.approx(CONTACT, abs=0.01)


def test_every_family_and_verb_comes_up(draw):
    verbs, families = Counter(), Counter()
    for seed in range(30):
        for task in draw(seed, 12)[1]:
            families[task.family] += 1
            verbs.update(clause.verb for clause in task.instruction.clauses)
    assert set(families) == set(FAMILIES)
    assert min(families.values()) > 0.15 * sum(families.values())
    assert set(verbs) == set(CLAUSES)


def test_a_scene_has_eight_different_tasks(draw):
    for seed in range(30):
        texts = [task.text for task in draw(seed, 8)[1]]
        assert len(texts) == len(set(texts)) == 8


@pytest.mark.parametrize("unseen", [True, False])
def test_held_out_combinations_can_be_kept_apart(draw, unseen):
    for seed in range(10):
        scene, _ = draw(seed)
        tasks = sample_tasks(scene.layout, np.random.default_rng(seed), 12, unseen=unseen)
        assert all(task.held_out == held_out(task.instruction.combination) == unseen for task in tasks)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Move to the blue frame.",
        "[Red disc]: Move to the blue frame",
        "[Red disc]: Fly to the blue frame.",
        "[Red disc]: Move to the green square.",  # an agent is no landmark
        "[Red disc]: First turn green.",
        "[<script>]: Move to the blue frame.",
        "[Red disc]: Move to the blue frame.\n[Red disc]: Turn green.",
    ],
)
def test_what_is_no_task_is_refused_with_its_words(text):
    with pytest.raises(TaskNotUnderstood):
        parse(text)


def test_a_task_about_absent_things_names_them():
    with pytest.raises(TaskNotUnderstood, match=r"'pink pad'.*The scene has red disc"):
        goal(parse("[Red disc]: Move to the pink pad."), ROOM)


@pytest.mark.parametrize(
    "text",
    [
        "[Red disc]: Move to the bottom left corner.",  # it is there
        "[Red disc]: Push the red disc onto the blue frame.",
        "[Red disc]: Swap places with the red disc.",
        "[Red disc]: Push the green square onto the yellow ring.",  # not in line
        "[Red disc]: Stop directly below the yellow ring.",  # outside the picture
        "[Red disc]: Turn red.",
    ],
)
def test_an_impossible_or_finished_task_is_none(text):
    assert build_task(ROOM, text) is None


def test_legs_follow_one_another_without_a_gap(draw):
    for seed in range(20):
        for task in draw(seed, 6)[1]:
            for i in {leg.thing for leg in task.program.legs}:
                legs = [leg for leg in task.program.legs if leg.thing == i]
                assert all(a.end <= b.start + 1e-9 and a.path[-1] == b.path[0] for a, b in pairwise(legs))
