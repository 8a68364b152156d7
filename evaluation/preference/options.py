"""What decides a run's PickScore."""

from typing import Literal

from pydantic import Field

from models.pickscore import PROCESSOR, WEIGHTS
from storage.options import Options


class PickScoreModel(Options):
    """With which model, over which frames. Unknown names are errors."""

    weights: str = Field(WEIGHTS, min_length=1, description="A folder, or a Hub id owner/name.")
    processor: str = Field(PROCESSOR, description="Its CLIPProcessor; empty: in the weights' folder.")
    download: bool = Field(False, description="Fetch Hub ids (3.9 GB); otherwise they must be in the Hub's cache.")
    frames: int = Field(
        8, ge=2, le=1024, description="Evenly spaced frames a video, the first and the last among them."
    )
    prompt: Literal["task", "solution"] = Field("task", description="Which text: T (the default everywhere) or D.")
    device: str = Field("auto", min_length=1, description="auto, cpu, cuda, cuda:1 ...")
    batch: int = Field(32, ge=1, le=4096, description="Frames that pass through the model together.")


class PickScoreOptions(PickScoreModel):
    """Options of `python -m evaluation.preference`."""

    runs: tuple[str, ...] = Field(min_length=1, description="Folders of runs (evaluation/records.py).")
