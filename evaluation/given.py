"""The picture that a video was made of, from the benchmark's folder, as the model was given it."""

from pathlib import Path

import numpy as np

from evaluation.images import UnreadableImage, read_image
from evaluation.records import Sample, VideoRecord
from storage.files import confined, sha256_bytes


class NotGiven(ValueError):
    """A benchmark's folder does not hold the picture that a video was made of; the message says which."""


def given_picture(benchmark: Path, sample: Sample, video: VideoRecord) -> np.ndarray:
    """uint8 [H, W, 3] RGB: the image of `sample` below `benchmark`, fitted to the video's size as in generation.

    Raises NotGiven for an image that is not there, is no picture, or is not the one of the video's record, and
    PathOutsideRoot.
    """
    from models.video.facts import VideoShape
    from models.video.pixels import fit

    path = confined(benchmark, sample.image)
    try:
        data = path.read_bytes()
        found = sha256_bytes(data)
        if found != video.image_sha256:
            raise NotGiven(
                f"{path}: its SHA-256 is {found[:16]}..., but {video.video_id} was made of a picture with "
                f"{video.image_sha256[:16]}...: give the folder of the benchmark that the run was made with"
            )
        pixels = read_image(data)
    except OSError as error:
        raise NotGiven(f"{path}: {error.strerror}: give the folder of the benchmark, with its images") from error
    except UnreadableImage as error:
        raise NotGiven(f"{path}: {error}") from error
    return fit(pixels, VideoShape(video.frames, video.height, video.width, video.fps))
