"""Tiny checkpoints and the models read from them, made once a run."""

from pathlib import Path

import pytest

from tests.fields import differences, gaussian_field, gradient, rows

__all__ = ["differences", "gaussian_field", "gradient", "rows"]

NAMES = ("wan-frame", "wan-channels", "wan-clip", "wan-held", "ltx2", "ltx2.3", "hunyuan15")


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    """name -> folder of its tiny checkpoint, built when first asked for."""
    from tests.models.video import tiny_video

    root, built = tmp_path_factory.mktemp("tiny_video"), {}

    def folder(name: str) -> Path:
        if name not in built:
            built[name] = tiny_video.BUILDERS[name](root / name)
        return built[name]

    return folder


@pytest.fixture(scope="session")
def models(checkpoints):
    """name -> its model with encoders, float32 on the CPU; shared, so tests that change one load their own."""
    from models.video.build_video_model import build_video_model
    from models.video.options import VideoModelOptions
    from tests.models.video import tiny_video

    loaded = {}

    def model(name: str):
        if name not in loaded:
            loaded[name] = build_video_model(VideoModelOptions(**tiny_video.options_for(name, checkpoints(name))))
        return loaded[name]

    return model


@pytest.fixture(scope="session")
def conditions(models):
    """name -> (images, Condition) of two videos with different images and prompts of different lengths."""
    import torch

    from tests.models.video import tiny_video

    made = {}

    def condition(name: str):
        if name not in made:
            model = models(name)
            generator = torch.Generator().manual_seed(5)
            size = (2, model.shape.height, model.shape.width, 3)
            images = torch.randint(0, 256, size, generator=generator, dtype=torch.uint8)
            made[name] = images, model.encode_image(images) | model.encode_prompt(tiny_video.PROMPTS)
        return made[name]

    return condition


@pytest.fixture(scope="session", params=NAMES)
def name(request) -> str:
    return request.param
