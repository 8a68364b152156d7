"""What decides a run's PickScore."""

from typing import Literal

from pydantic import Field

from models.pickscore import PROCESSOR, WEIGHTS
from storage.options import Options


class PickScoreModel(Options):
    """With which model, over which frames. Unknown names are errors."""

    weights: str = Field(WEIGHTS, min_length=1, description="A folder, or a Hub id owner/name.")
    processor: str = Field(PROCESSOR, description="CLIPProcessor of the model. Empty: in the weights' folder.")
    download: bool = Field(False, description="Download Hub ids (3.9 GB). false: use the Hub's cache.")
    frames: int = Field(
        8, ge=2, le=1024, description="Evenly spaced frames of each video, with the first and the last."
    )
    prompt: Literal["task", "solution"] = Field("task", description="Text to score: task is T, solution is D.")
    device: str = Field("auto", min_length=1, description="auto, cpu, cuda, cuda:1 ...")
    batch: int = Field(32, ge=1, le=4096, description="Frames that go through the model together.")


class PickScoreOptions(PickScoreModel):
    """Options of `python -m evaluation.preference`."""

    runs: tuple[str, ...] = Field(min_length=1, description="Folders of runs (evaluation/records.py).")
