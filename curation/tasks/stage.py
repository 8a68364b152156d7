"""The stage `tasks`: its table, and the code that decides its rows."""

from curation.schemas import TASKS
from curation.stage import Stage

STAGE = Stage(
    name="tasks",
    title="Tasks and solutions",
    unit="pairs",
    schema=TASKS,
    upstream="screening",
    decided_by=(
        "curation/tasks/generate.py",
        "curation/tasks/rules.py",
        "curation/vlm_calls.py",
        "models/vlm/json_answers.py",
        "models/vlm/second_try.py",
        "models/vlm/tidy.py",
    ),
    known={
        "b7e2b15e3375": "1",
        "0137f99973a0": "2",
        "596275ea1e6e": "3",
        "9093667f76b5": "4",
        "b5de287101c7": "4",
        "09c597547eaa": "4",
    },
)
