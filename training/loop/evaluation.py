"""What is measured before, along and after a training: the loop's side of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


class Interrupted(Exception):
    """A signal ended an evaluation, on all processes: nothing of it counts."""

    def __init__(self, signal: int):
        super().__init__(f"signal {signal} ended the evaluation")
        self.signal = signal


@dataclass(frozen=True)
class Results:
    """What a run ends with: `facts` for scores.json (JSON), a `table` as text and as Markdown, and the numbers that its
    model card names, by what was evaluated and what was measured."""

    facts: Mapping[str, Any]
    table: str
    markdown: str
    numbers: Mapping[str, Mapping[str, Any]]


class Evaluation(Protocol):
    """Measures a training. What it has measured it keeps in the run's notes, so that a resumed run measures the rest.
    All of it runs on every process."""

    def before(self) -> None:
        """Measures what training does not change, once a run."""

    def after_step(self, step: int) -> None:
        """Measures what is due after a step and not there yet. Raises Interrupted on a signal: then it stays due."""

    def after(self) -> Results:
        """Measures the trained policies and sums up."""
