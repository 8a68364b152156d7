"""What decides a judging."""

import re

from pydantic import Field, ValidationInfo, field_validator, model_validator

from models.vlm.asking import AskOptions, Patience, judge_prompt
from models.vlm.questions import SCORED

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
TAKEN = ("dreamgen",)  # judgements.NAME.jsonl of other benchmarks' own questions


class VideoJudgeOptions(Patience):
    """Who judges videos of runs, how patiently it is asked, and when no more. Unknown names are errors."""

    give_up_after: int = Field(
        32, ge=1, description="Stop asking after this many requests in a row got no answer from the server."
    )


class JudgingOptions(AskOptions, VideoJudgeOptions):
    """Who judges the videos of runs, in which words, and how. Unknown names are errors."""

    variants: tuple[int, ...] = Field(
        (SCORED,),
        min_length=1,
        description="Wordings to ask each question in. Scores use wording 1. Several wordings are compared.",
    )
    name: str = Field(
        "", description="Name of a further judge, for judgements.NAME.jsonl. Empty: the judge that scores use."
    )
    given: str = Field(
        "",
        description="Folder of the benchmark's pictures. The one that a video was made of is then shown before its "
        "frames, and the question says so: another judge. Empty: the frames alone.",
    )
    decoders: int = Field(4, ge=1, le=256, description="Threads that decode videos and encode frames.")
    ask_failed_again: bool = Field(
        False,
        description="Whether videos that the model itself refused to judge are asked again.",
    )

    @field_validator("variants")
    @classmethod
    def _are_there(cls, value: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        if len(set(value)) != len(value):
            raise ValueError(f"variants {list(value)}: give each of them once")
        for question in info.data.get("questions", ()):
            for variant in value:
                judge_prompt(question, "-", variant)
        return value

    @field_validator("name")
    @classmethod
    def _is_part_of_a_file_name(cls, value: str) -> str:
        if value and not NAME.fullmatch(value):
            raise ValueError(f"name {value!r}: use up to 32 lower-case letters, digits, '-' or '_'")
        if value in TAKEN:
            raise ValueError(f"name {value!r}: another benchmark uses judgements.{value}.jsonl, choose another name")
        return value

    @model_validator(mode="after")
    def _sees_the_given(self) -> "JudgingOptions":
        if self.given and self.vlm.backend == "scripted":
            raise ValueError(
                "given and vlm.backend scripted: that judge looks at videos alone. Leave given empty, or name another "
                "backend"
            )
        return self

    @property
    def judgements_file(self) -> str:
        return f"judgements.{self.name}.jsonl" if self.name else "judgements.jsonl"

    @property
    def summary_file(self) -> str:
        return f"judging.{self.name}.json" if self.name else "judging.json"

    def judge_id(self, model_id: str) -> str:
        """Names a judge in judgements: the model, and how it looks at a video."""
        seen = f"{model_id};frames={self.frames}" + (";given" if self.given else "")
        return seen + (";jpeg" if self.image_format == "jpeg" else "")


class JudgeCommand(JudgingOptions):
    """Options of `python -m evaluation.judge`."""

    runs: tuple[str, ...] = Field(min_length=1, description="Folders of runs.")
