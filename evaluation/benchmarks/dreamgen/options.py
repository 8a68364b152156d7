"""Options of `python -m evaluation.benchmarks.dreamgen`."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from evaluation.judging.options import VideoJudgeOptions
from storage.options import Options

Group = Literal["object", "behavior", "environment", "robocasa"]
Question = Literal["dreamgen_following", "dreamgen_following_strict", "dreamgen_physics"]
Official = Literal["following", "following_gpt4o", "physics"]
# What a table calls the predictions of the benchmark's own scripts.
OFFICIAL: dict[str, str] = {
    "following": "IF (official Qwen)",
    "following_gpt4o": "IF (official GPT-4o)",
    "physics": "PA-I (official Qwen)",
}
PHYSICS = "dreamgen_physics"
OURS = ("dreamgen_following", "dreamgen_following_strict", PHYSICS)
# Our questions -> the same in the words of the benchmark's own judge (published.py).
PUBLISHED: dict[str, str] = {name: name.replace("dreamgen_", "dreamgen_published_") for name in OURS}
# Question -> what a table calls it, PA-I last. The first two are the published modes: the default, and the stricter
# "zero-shot".
QUESTIONS: dict[str, str] = {
    "dreamgen_following": "IF (default)",
    "dreamgen_following_strict": "IF (zero-shot)",
    "dreamgen_published_following": "IF (published words, default)",
    "dreamgen_published_following_strict": "IF (published words, zero-shot)",
    "dreamgen_published_physics": "PA-I (published words)",
    "dreamgen_physics": "PA-I",
}


class DreamgenJudgeOptions(VideoJudgeOptions):
    """Who judges, what is asked, what is seen and how patiently. Unknown names are errors."""

    questions: tuple[Question, ...] = Field(
        OURS, min_length=1, description="Instruction following in both published modes, and physics."
    )
    published: str = Field(
        "",
        description="Folder with a checkout of github.com/NVIDIA/GR00T-Dreams. The questions are then asked in its "
        "scripts' words too, answered by 1 or 0, beside ours. Empty: in ours alone.",
    )
    frames: int = Field(49, ge=2, le=256, description="Evenly spaced frames that the judge sees, as published.")
    scale: float = Field(0.3, gt=0, le=1, description="Scale of these frames for following, as published.")
    shortest_side: int = Field(28, ge=1, le=4096, description="Frames are not scaled below this many pixels.")
    image_format: Literal["png", "jpeg"] = Field("png", description="How frames are sent: png loses nothing.")
    concurrency: int = Field(16, ge=1, le=1024, description="Most requests in flight at once.")

    @model_validator(mode="after")
    def _digits(self) -> "DreamgenJudgeOptions":
        if self.published and self.vlm.answer == "text":
            raise ValueError(
                "published and vlm.answer text: 1 and 0 are read from log-probabilities alone. Leave published empty, "
                "or set vlm.answer to logprobs"
            )
        return self


class DreamgenTableOptions(Options):
    """What a run is asked, and what its table is of. Unknown names are errors."""

    groups: tuple[Group, ...] = Field(("object", "behavior", "environment"), min_length=1, description="Table groups.")
    seed: int | None = Field(None, description="Seed whose videos are judged. null: the run's only seed.")
    judge: DreamgenJudgeOptions = Field(default_factory=DreamgenJudgeOptions, description="The judge.")
    allow_partial: bool = Field(False, description="Report although samples are missing. The table says so.")

    @model_validator(mode="after")
    def _each_once(self) -> "DreamgenTableOptions":
        for name, values in (("groups", self.groups), ("judge.questions", self.judge.questions)):
            if len(set(values)) != len(values):
                raise ValueError(f"{name} {list(values)}: give each of them once")
        return self


class DreamgenOptions(DreamgenTableOptions):
    """One step on one run's folder. Unknown names are errors."""

    step: Literal["export", "score", "table"] = Field(
        description="export: videos under the benchmark's names. score: ask the judge. table: CSV files and the table."
    )
    run: Path = Field(description="Folder of the run with the generated videos.")
    out: Path | None = Field(None, description="Folder for exports and tables. null: `dreamgen` in the run's folder.")
    benchmark: Path | None = Field(None, description="export: the downloaded data set, to write batch_input.json too.")
    others: tuple[Path, ...] = Field((), description="table: further judged runs, each compared with `run` in pairs.")
    official: dict[Official, Path] = Field(
        {}, description="table: CSV files that the benchmark's own scripts wrote, by what was asked."
    )
    gpt4o: bool = Field(
        False, description="export: also a folder `cosmos`, a word that the GPT-4o script looks for in a path."
    )
    videophy: Path | None = Field(None, description="table: VideoPhy's output CSV of physics scores (PA-II).")
    videophy_version: Literal[1, 2] = Field(1, description="table. 1: P(Yes), cut at .5 (published). 2: cut at 4 of 5.")

    @property
    def place(self) -> Path:
        return self.out or self.run / "dreamgen"
