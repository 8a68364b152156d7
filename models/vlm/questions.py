"""What a judge is asked about a video: one entry a question, and nothing about it elsewhere.

A new question is an entry here and its wordings `prompts/judge_<name>.v<version>.txt`, each with the field `$task`.
Judging, scores, the report, rewards and the options of training follow from the entry. The microworld's exact judge
answers it once microworld/exact_judge.py has a verdict of that name.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """A yes/no question about a video of task T; its answer is log p(yes) - log p(no) in nats.

    `name` stands in records, recipes and files; `label` on pages and in tables; `yes` is what a yes says, in words;
    `weight` is the reward weight of a training whose recipe names none.
    """

    name: str
    label: str
    yes: str
    weight: float = 0.0

    @property
    def prompt(self) -> str:
        """The name of its prompt files."""
        return f"judge_{self.name}"


QUESTIONS = (
    Question("task", "Task", "the task is done (lambda_task)", 1.0),
    Question("agent", "Agent", "the right agent did it", 0.0),
    # The paper's figures call it Realism; "consistency" is its name in the text, in recipes and in all files.
    Question("consistency", "Consistency", "the world stays consistent", 0.5),
)
NAMES = tuple(question.name for question in QUESTIONS)

# The wording that rewards and scores are made of. Later versions are variants, to see how far words matter.
SCORED = 1


def by_name(name: str) -> Question:
    """The question of this name. Raises ValueError for another name, with those there are."""
    for question in QUESTIONS:
        if question.name == name:
            return question
    raise ValueError(f"question {name!r} is not known: choose from {', '.join(NAMES)}")


def label_of(name: str) -> str:
    """The label of a question or of a measure beside them: "dreamgen_physics" -> "Dreamgen physics"."""
    labels = {question.name: question.label for question in QUESTIONS}
    return labels.get(name, name.replace("_", " ").capitalize())
