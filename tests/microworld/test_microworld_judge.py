"""The judge: graded, right about what it sees, and hard to please by cheating."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microworld.exact_judge import LIMIT, assess, judge, margin
from microworld.families import Task, build_task
from microworld.grammar import TaskNotUnderstood
from microworld.motion import STILL, Leg, Program
from microworld.render import render_batch
from microworld.scene import Background, Layout, Scene, Thing
from microworld.tracking import track

TASK = "[Red disc]: Move to the blue frame."
ROOM = Layout(
    4,
    4,
    (
        Thing("agent", "disc", "red", 3.5, 0.5),
        Thing("agent", "square", "green", 0.5, 1.5),
        Thing("landmark", "frame", "blue", 1.5, 3.5),
        Thing("landmark", "ring", "yellow", 3.5, 3.5),
        Thing("stone", "stone", "grey", 1.5, 0.5),
    ),
)
QUIET = Background("checker", (208, 214, 222), (190, 198, 210), 1)
RED, GREEN, BLUE = 0, 1, 2


def play(program: Program, layout: Layout = ROOM, background: Background = QUIET, frames: int = 12) -> np.ndarray:
    return render_batch([Scene(layout, background)], [program], frames, 64)[0]


def line(thing: int, *path: tuple[float, float], colour: str | None = None) -> Program:
    return Program((Leg(thing, 0.0, 1.0, path, colour),))


GOOD = line(RED, (3.5, 0.5), (1.5, 3.5))


def without(name: str) -> Layout:
    return Layout(4, 4, tuple(thing for thing in ROOM.things if thing.name != name))


def test_a_correct_video_scores_high_in_all_respects():
    verdict = judge(play(GOOD), TASK)
    assert verdict.task > 3
    assert verdict.agent > 3
    assert verdict.consistency > 1.5


def test_another_agent_at_the_goal_is_wrong():
    verdict = judge(play(line(GREEN, (0.5, 1.5), (1.5, 3.5))), TASK)
    assert verdict.task < -3
    assert verdict.agent < -3


def test_a_second_agent_that_goes_along_is_wrong():
    both = Program((*GOOD.legs, *line(GREEN, (0.5, 1.5), (0.5, 3.5)).legs))
    verdict = judge(play(both), TASK)
    assert verdict.task > 3
    assert verdict.agent < -3


def test_another_place_is_wrong_and_the_nearer_the_less_so():
    ends = [(3.5, 3.5), (2.5, 3.5), (2.1, 3.5), (1.75, 3.5), (1.5, 3.5)]
    scores = [judge(play(line(RED, (3.5, 0.5), end)), TASK).task for end in ends]
    assert scores == sorted(scores)
    assert scores[0] < scores[1] < scores[2] < 0 < scores[3] < scores[4]


def test_nobody_moving_is_no_success_but_consistent():
    verdict = judge(play(STILL), TASK)
    assert verdict.task < -3
    assert verdict.agent < -3
    assert verdict.consistency > 3


def test_a_drive_through_that_does_not_stay_is_no_success():
    there_and_back = line(RED, (3.5, 0.5), (1.5, 3.5), (3.5, 0.5))
    assert judge(play(there_and_back, frames=16), TASK).task < -3


@pytest.mark.parametrize("name", ["red disc", "green square", "yellow ring", "blue frame", "grey stone"])
def test_a_vanished_thing_is_inconsistent(name):
    frames = np.concatenate([play(STILL, frames=6), play(STILL, without(name), frames=6)])
    assert judge(frames, TASK).consistency < -3


def test_the_vanished_agent_has_not_arrived():
    frames = np.concatenate([play(GOOD)[:4], play(STILL, without("red disc"), frames=8)])
    assert judge(frames, TASK).task == -LIMIT


def test_a_duplicate_at_the_goal_is_inconsistent_and_a_faded_copy_is_no_way_to_travel():
    twin = Layout(4, 4, (*ROOM.things, Thing("agent", "disc", "red", 1.5, 3.5)))
    assert judge(np.concatenate([play(STILL)[:5], play(STILL, twin)[:7]]), TASK).consistency < -3


@pytest.mark.parametrize("frames", [8, 16, 25, 49])
def test_a_teleport_is_inconsistent_though_the_task_is_done(frames):
    there = Layout(4, 4, (Thing("agent", "disc", "red", 1.5, 3.5), *ROOM.things[1:]))
    jump = np.concatenate([play(STILL, frames=frames // 2), play(STILL, there, frames=frames - frames // 2)])
    verdict = judge(jump, TASK)
    assert verdict.task > 3
    assert verdict.consistency < -0.5


SCENE = Layout(
    4,
    6,
    (
        Thing("agent", "disc", "red", 3.5, 0.5),
        Thing("agent", "square", "green", 1.5, 1.5),
        Thing("landmark", "frame", "blue", 1.5, 4.5),
        Thing("landmark", "ring", "yellow", 3.5, 4.5),
    ),
)
MOTIONS = {
    "movement": "Move to the blue frame",
    "positioning": "Stop directly above the yellow ring",
    "push": "Push the green square onto the blue frame",
    "swap": "Swap places with the green square",
    "two moves": "First move to the yellow ring, then move to the blue frame",
    "move and turn": "First move to the yellow ring, then turn purple",
}


def scene_task(motion: str) -> Task:
    return build_task(SCENE, f"[Red disc]: {MOTIONS[motion]}.")


def teleported(program: Program, which: int) -> Program:
    """`program` with one of its legs done in no time, halfway through it; the legs of one time go together."""
    span = sorted({(leg.start, leg.end) for leg in program.legs})[which]
    middle = sum(span) / 2
    quick = [
        replace(leg, start=middle, end=middle + 1e-6) if (leg.start, leg.end) == span else leg for leg in program.legs
    ]
    return Program(tuple(quick))


@pytest.mark.parametrize("frames", [8, 16, 25])
@pytest.mark.parametrize("motion", MOTIONS)
def test_motion_of_every_kind_is_consistent(motion, frames):
    task = scene_task(motion)
    verdict = judge(play(task.program, SCENE, frames=frames), task.text)
    assert verdict.consistency > 1.5, verdict.notes
    assert min(verdict.task, verdict.agent) > 1


@pytest.mark.parametrize("frames", [8, 16])
@pytest.mark.parametrize("motion", MOTIONS)
def test_a_frozen_clip_with_the_task_done_in_one_step_is_inconsistent(motion, frames):
    task = scene_task(motion)
    video = play(task.program, SCENE, frames=frames)
    for shown in (frames // 2, frames - 1):
        frozen = np.concatenate([video[:1].repeat(shown, 0), video[-1:].repeat(frames - shown, 0)])
        assert judge(frozen, task.text).consistency < -2


@pytest.mark.parametrize("frames", [8, 16])
@pytest.mark.parametrize("length", [3, 7])
@pytest.mark.parametrize("motion", MOTIONS)
def test_what_fades_out_here_while_it_fades_in_there_has_not_moved(motion, length, frames):
    task = scene_task(motion)
    video = play(task.program, SCENE, frames=frames).astype(np.float64)
    share = np.clip((np.arange(frames) - (frames - 1 - length) // 2) / length, 0, 1)[:, None, None, None]
    faded = (video[0] * (1 - share) + video[-1] * share + 0.5).astype(np.uint8)
    assert judge(faded, task.text).consistency < -2


@pytest.mark.parametrize("frames", [8, 16, 25])
@pytest.mark.parametrize("motion, leg", [("push", 0), ("push", 1), ("two moves", 0), ("two moves", 1)])
def test_a_teleport_in_either_of_two_legs_is_inconsistent_though_the_other_leg_is_right(motion, leg, frames):
    task = scene_task(motion)
    verdict = judge(play(teleported(task.program, leg), SCENE, frames=frames), task.text)
    assert verdict.task > 1, "the task is about the end alone"
    # In 8 frames a right leg may take hardly two intervals: what is a jump in 16 may be no more than doubtful in 8.
    assert verdict.consistency < (0.5 if frames == 8 else 0), verdict.notes


def test_haste_is_graded_from_brisk_to_a_jump():
    task = scene_task("movement")
    scores = []
    for haste in (1, 1.5, 2, 3, 6, 60):
        legs = tuple(replace(leg, start=leg.start / haste, end=leg.end / haste) for leg in task.program.legs)
        scores.append(judge(play(Program(legs), SCENE, frames=25), task.text).consistency)
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > scores[2] > 0 > scores[4] > scores[5]


def test_a_changed_background_is_inconsistent():
    other = Background("checker", (222, 200, 200), (210, 190, 190), 1)
    frames = np.concatenate([play(GOOD)[:6], play(GOOD, background=other)[6:]])
    assert judge(frames, TASK).consistency < -1


def test_a_patch_painted_on_the_background_is_inconsistent():
    frames = play(GOOD).copy()
    frames[4:, 50:62, 28:40] = (150, 190, 150)
    assert judge(frames, TASK).consistency < -1


def test_a_landmark_that_comes_to_the_agent_is_cheating():
    verdict = judge(play(line(BLUE, (1.5, 3.5), (3.5, 0.5))), TASK)
    assert verdict.task < 0
    assert verdict.consistency < -3


def test_a_changed_look_is_inconsistent():
    assert judge(play(line(RED, (3.5, 0.5), (1.5, 3.5), colour="purple")), TASK).consistency < -3


@pytest.mark.slow
@given(st.integers(0, 100_000))
@settings(max_examples=20, deadline=None)
def test_each_family_s_motion_passes_its_own_task_and_no_other_that_it_does_not_fulfil(draw, act, truth, seed):
    scene, tasks = draw(seed, 8)
    tracks = track(act(scene, tasks[0], 10))
    verdict = assess(tracks, tasks[0].text)
    assert min(verdict.task, verdict.agent) > 0, tasks[0].text
    for other in tasks[1:]:
        expected = truth(scene, tasks[0], other.text)
        # Two tasks may share an end state; near the edge of a goal pixels may fall to either side.
        if expected < -1:
            assert assess(tracks, other.text).task < 0, (tasks[0].text, other.text)


@pytest.mark.slow
@pytest.mark.parametrize("size, frames", [(64, 8), (64, 25), (32, 8)])
def test_perfect_videos_are_almost_always_consistent(draw, act, size, frames):
    scores = []
    for seed in range(24):
        scene, tasks = draw(seed)
        verdict = judge(act(scene, tasks[0], frames, size), tasks[0].text)
        scores.append(min(verdict.task, verdict.agent, verdict.consistency))
    assert np.mean(np.array(scores) > 0) >= 0.96


def test_a_two_step_task_needs_both_steps(draw, act):
    text = "[Red disc]: First move to the yellow ring, then move to the blue frame."
    task = build_task(ROOM, text)
    whole = judge(play(task.program, frames=16), text)
    assert min(whole.task, whole.agent, whole.consistency) > 0
    assert judge(play(GOOD, frames=16), text).task < -1, "the first step was left out"
    assert judge(play(line(RED, (3.5, 0.5), (3.5, 3.5))), text).task < -3, "the second step was left out"


def test_a_recolouring_is_seen():
    text = "[Red disc]: Turn purple."
    verdict = judge(play(build_task(ROOM, text).program), text)
    assert min(verdict.task, verdict.agent, verdict.consistency) > 1
    assert judge(play(STILL), text).task < 0


def test_a_task_about_absent_things_has_failed():
    assert judge(play(GOOD), "[Red disc]: Move to the pink pad.").task == -LIMIT


def test_a_video_of_something_else_has_failed():
    assert judge(np.zeros((4, 64, 64, 3), np.uint8), TASK).consistency == -LIMIT


def test_bad_calls_are_refused():
    with pytest.raises(TaskNotUnderstood, match="is not a task"):
        judge(play(GOOD), "please go")
    with pytest.raises(ValueError, match="at least 2"):
        judge(play(GOOD)[:1], TASK)
    with pytest.raises(ValueError, match="all must have one shape"):
        judge([play(GOOD)[0], play(GOOD)[0][:32]], TASK)


@given(st.floats(0, 10), st.floats(0, 10))
def test_the_margin_falls_with_distance(a, b):
    low, high = sorted((a, b))
    assert margin(high, 0.35) <= margin(low, 0.35)
    assert margin(0.35, 0.35) == pytest.approx(0)
