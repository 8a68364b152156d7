"""Every rule catches what it is named after, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.tasks.options import RuleOptions
from curation.tasks.rules import RULES, Pair, judge_pairs, repeated_share
from models.vlm.tidy import tidy

OPTIONS = RuleOptions()
TASK = "[Man in blue shirt]: Step onto the yellow lane marking."
SOLUTION = (
    "The man in the blue shirt takes three steady steps forward along the lane, plants both feet on the yellow marking "
    "and comes to rest there while the street around him stays as it was."
)

# One broken pair for each rule; the rule's name is the reason it must get.
BROKEN = [
    ("empty", "", SOLUTION),
    ("empty", TASK, ""),
    ("unprintable", TASK.replace("Step", "Step\x07"), SOLUTION),
    ("grammar", "Man in blue shirt: Step onto the marking.", SOLUTION),
    ("grammar", "[Man in blue shirt] Step onto the marking.", SOLUTION),
    ("grammar", "[Man in blue shirt]: Step onto the marking", SOLUTION),
    ("grammar", "[[Man]]: Step onto the marking.", SOLUTION),
    ("grammar", "[]: Step onto the marking.", SOLUTION),
    ("agent_not_named", "[The agent]: Step onto the marking.", SOLUTION),
    ("agent_not_named", "[It]: Step onto the marking.", SOLUTION),
    ("agent_too_long", f"[{'very ' * 16}tall man]: Step onto the marking.", SOLUTION),
    ("instruction_too_short", "[Man in blue shirt]: Go.", SOLUTION),
    ("instruction_too_long", f"[Man in blue shirt]: Step {'on ' * 40}it.", SOLUTION),
    ("solution_equals_task", TASK, TASK),
    ("solution_equals_task", TASK, "Step onto the yellow lane marking!"),
    ("solution_too_short", TASK, "He steps onto the marking."),
    ("solution_too_long", TASK, "step " * 201 + "."),
    ("solution_cut", TASK, SOLUTION.rstrip(".") + " and then"),
    ("degenerate", TASK, SOLUTION.replace("lane", "l" + "a" * 40 + "ne")),
    ("degenerate", TASK, "12 34 56 78 90 11 22 33 44 55 66 77 88 99 steps to the left 1 2 3 4 5 6 7 8 9 10 11 12 13."),
    ("degenerate", "[Man in blue shirt]: Step -- ## ++ ** == // ## ++ ** == // on.", SOLUTION),
    ("repetitive", TASK, "The man walks to the door. " * 5 + "He stops."),
    ("repetitive", TASK, SOLUTION + " " + SOLUTION),
    (
        "repetitive",
        TASK,
        "He steps, and he steps, and he steps, and he steps, and he steps, and he steps, and he steps.",
    ),
    ("repetitive", "[Man in blue shirt]: Step on the line, step on the line, step on the line.", SOLUTION),
]


@pytest.mark.parametrize(("reason", "task", "solution"), BROKEN)
def test_each_rule_catches_its_defect(reason, task, solution):
    assert judge_pairs([Pair(task, solution)], OPTIONS)[0][0] == reason


def test_every_rule_has_a_case():
    assert {reason for reason, *_ in BROKEN} == set(RULES)


@pytest.mark.parametrize(
    "agent",
    [
        "Person", "A person", "The character", "Someone", "She", "This object", "An entity", "The subject",
        "Another person", "Some thing", "Unknown person", "Unnamed character", "Nobody", "Something", "None",
        "Agent description", "agent name", "THE AGENT",
    ],
)  # fmt: skip
def test_an_agent_that_nobody_could_find_in_the_picture_is_not_named(agent):
    assert judge_pairs([Pair(f"[{agent}]: Step onto the marking.", SOLUTION)], OPTIONS)[0][0] == "agent_not_named"


@pytest.mark.parametrize(
    "task",
    [
        TASK,
        "[Player character]: Align the wire with the exposed terminal on the black box.",  # the authors' own
        "[The player]: Open the wooden door.",
        "[Player]: Open the wooden door.",
        "[Playable character]: Open the wooden door.",
        "[Main character]: Open the wooden door.",
        "[Non-player character]: Open the wooden door.",
        "[Person in red]: Open the wooden door.",
        "[Object on the table]: Roll over the edge.",
        "[Character holding the torch]: Open the wooden door.",
        "[Unknown man in a hat]: Open the wooden door.",
        "[Camera]: Pan to the wooden door.",
        "[First-person view]: Align the car's front bumper with the white track curb ahead.",
        "[Red disc]: Move to the blue frame.",
        "[穿蓝衬衫的男人]: 走到 黄线 上.",
        "[नीली कमीज़ वाला आदमी]: पीली रेखा पर कदम रखें.",
        "[Robot R2-D2]: Move 3 cells right and 2 cells down to (4, 5).",
        "[Woman <b>bold</b>]: Pick up the '\"quoted\"' cup & saucer.",
    ],
)
def test_sound_pairs_pass(task):
    assert judge_pairs([Pair(task, SOLUTION)], OPTIONS) == [("", "")]


def test_the_agent_and_the_instruction_are_read_from_the_task():
    pair = Pair(TASK, SOLUTION)
    assert (pair.agent, pair.instruction) == ("Man in blue shirt", "Step onto the yellow lane marking.")


def test_a_task_repeated_in_other_spelling_is_a_duplicate_of_the_first():
    again = Pair(TASK.upper().replace("STEP", "STEP,"), SOLUTION)
    other = Pair("[Man in red shirt]: Step onto the yellow lane marking.", SOLUTION)
    reasons = [reason for reason, _ in judge_pairs([Pair(TASK, SOLUTION), again, other], OPTIONS)]
    assert reasons == ["", "duplicate_in_frame", ""]


def test_a_dropped_pair_makes_no_duplicate():
    cut = Pair(TASK, "Too short.")
    assert [reason for reason, _ in judge_pairs([cut, Pair(TASK, SOLUTION)], OPTIONS)] == ["solution_too_short", ""]


@given(st.text(max_size=200), st.text(max_size=400))
def test_no_text_breaks_the_rules_and_each_verdict_has_a_name(task, solution):
    reason, detail = judge_pairs([Pair(tidy(task), tidy(solution))], OPTIONS)[0]
    assert reason in {"", *RULES}
    assert bool(reason) == bool(detail)


@given(st.text(max_size=100))
def test_tidy_is_idempotent_and_on_one_line(text):
    assert tidy(tidy(text)) == tidy(text)
    assert "\n" not in tidy(text)


def test_what_a_text_repeats_is_measured_in_any_script():
    assert repeated_share("") == repeated_share("short") == 0
    assert repeated_share(SOLUTION) < 0.1
    assert 0.4 < repeated_share(SOLUTION + " " + SOLUTION) < 0.55
    assert repeated_share("他走到门口然后停下来。" * 6) > 0.7
    named_often = (
        "The man in the blue shirt lifts the cup, the man in the blue shirt turns left, and the cup follows until the "
        "man in the blue shirt sets it down on the far end of the wooden table beside the lamp."
    )
    assert 0.1 < repeated_share(named_often) < 0.35
    twice = Pair(TASK, SOLUTION + " " + SOLUTION)
    assert judge_pairs([twice], RuleOptions(max_repeated_share=1.0)) == [("", "")]
