"""What is encoded of a robot's episodes, and how."""

from typing import Literal

from pydantic import Field

from models.robot.options import RobotModelOptions
from storage.options import Options


class EpisodeLatentsOptions(Options):
    """Every view of every kept episode goes through the model's VAE once."""

    model: RobotModelOptions
    dtype: Literal["float16", "float32"] = Field(
        "float32", description="Numbers of the stored latents. float16 halves them, and rounds to 3 digits."
    )
    pixels: Literal["stored", "video"] = Field(
        "stored",
        description="Frames for metrics. stored: kept uncompressed at the model's size, quick to read. video: decoded "
        "from the source's files whenever they are asked for, for sets too large to keep (DROID at 5 Hz: about 3 TB).",
    )
    batch: int = Field(32, ge=1, le=4096, description="Rows of an episode decoded and encoded together.")
    floor_rows: int = Field(
        64, ge=0, description="Rows decoded again, to say how far the VAE alone is from the pixels (PSNR). 0: none."
    )
    grace_s: float = Field(60.0, gt=0, description="Seconds that a cancelled encoder has to end before it is killed.")
