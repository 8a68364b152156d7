"""Who gave the answers in the tables, in words that promise no more than that."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

KINDS = {
    "scripted": (
        "a scripted program, not a language model",
        "It recognises its own drawn scenes and writes from templates. Its verdicts and texts only exercise the "
        "pipeline. They do not show what a vision-language model would answer.",
    ),
    "tiny": (
        "a tiny test model with random weights",
        "Its verdicts and texts are noise of the right form. They only exercise the pipeline and are useless as data.",
    ),
    "model": ("a vision-language model", "Its verdicts and texts were not checked by people."),
}


@dataclass(frozen=True)
class Answer:
    """One model found in the rows: its id, its kind (a key of KINDS), the stages it answered."""

    model: str
    kind: str
    stages: tuple[str, ...]

    @property
    def headline(self) -> str:
        return KINDS[self.kind][0]

    @property
    def meaning(self) -> str:
        return KINDS[self.kind][1]


def answered_by(tokens: Mapping[str, Any], facts: Mapping[str, Any]) -> list[Answer]:
    """The models named in the rows of `tokens` (token_totals), not those that a configuration claims.

    facts["vlm_kind"] names the kind of the model facts["vlm"]; any other is told from its id. Raises ValueError for an
    unknown kind.
    """
    told = facts.get("vlm_kind") or ""
    if told and told not in KINDS:
        raise ValueError(f"facts['vlm_kind'] is {told!r}: choose from {', '.join(KINDS)}")
    stages: dict[str, list[str]] = {}
    for stage, entry in tokens.items():
        for model in entry.get("models", ()):
            stages.setdefault(model, []).append(stage)
    return [
        Answer(model, told if told and model == facts.get("vlm") else kind_of(model), tuple(named))
        for model, named in sorted(stages.items())
    ]


def kind_of(model: str) -> str:
    """Told from the id: clients that are no real model say so in it."""
    name = model.lower()
    if "scripted" in name or "microworld" in name:
        return "scripted"
    return "tiny" if "tiny" in name or "random" in name else "model"
