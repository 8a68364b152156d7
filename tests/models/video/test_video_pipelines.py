"""Each adapter makes the videos that diffusers' own pipeline makes."""

import pytest
import torch

from models.video.build_video_model import build_video_model
from models.video.ltx2.facts import DISTILLED_SIGMAS
from models.video.options import VideoModelOptions
from models.video.sampling import ode
from tests.models.video import tiny_video
from tests.models.video.pipelines_alone import STEPS, run

SEEDS = (3, 1234567)


def sampled(model, condition, steps: int):
    with torch.no_grad():
        start = model.start(model.noise(SEEDS), condition)
        return ode(lambda x, sigma: model.velocity(x, sigma, condition), start, model.sigmas(steps)).clean


def latents_of(name: str, model, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    """A state as the pipeline gives its latents back: (video, audio)."""
    if not name.startswith("ltx2"):
        return x, None
    video, audio = model._split(x)
    video = video.transpose(1, 2).unflatten(2, model.latent_shape[1:]) * model._std + model._mean
    return video, audio


def assert_same(name: str, model, folder, x: torch.Tensor, index: int, expected) -> None:
    latents, audio, video = expected
    ours, ours_audio = latents_of(name, model, x[index : index + 1])
    assert ours.shape == latents.shape
    torch.testing.assert_close(ours, latents, atol=2e-5, rtol=2e-5)
    if audio is not None:
        from diffusers import AutoencoderKLLTX2Audio

        audio_vae = AutoencoderKLLTX2Audio.from_pretrained(folder / "audio_vae")
        denormalised = ours_audio * audio_vae.latents_std + audio_vae.latents_mean
        torch.testing.assert_close(denormalised.unflatten(2, (2, -1)).transpose(1, 2), audio, atol=2e-5, rtol=2e-5)
    decoded = model.decode(x[index : index + 1])[0]
    assert decoded.dtype == torch.uint8
    assert decoded.shape == video.shape
    assert (decoded.float() / 255 - video).abs().max() < 0.6 / 255  # only rounding lies between them


@pytest.mark.slow
def test_a_joined_batch_equals_the_pipeline_run_video_by_video(name, checkpoints, models, conditions):
    """Image, prompt and seed in, latents (and LTX-2's audio) and pixels out; the prompts differ in length."""
    model = models(name)
    images, condition = conditions(name)
    x = sampled(model, condition, STEPS)
    assert x.std() > 0.1
    for index, prompt in enumerate(tiny_video.PROMPTS):
        tokens = model.max_prompt_tokens
        expected = run(name, checkpoints(name), model.shape, tokens, images[index], prompt, SEEDS[index])
        assert_same(name, model, checkpoints(name), x, index, expected)


def test_the_distilled_schedule_of_ltx2_equals_the_pipeline_at_the_same_levels(checkpoints, conditions):
    options = tiny_video.options_for("ltx2", checkpoints("ltx2"), ltx2={"schedule": "distilled"})
    model = build_video_model(VideoModelOptions(**options), encoders=False)
    folder = checkpoints("ltx2")
    images, condition = conditions("ltx2")
    x = sampled(model, condition, 8)
    levels = list(DISTILLED_SIGMAS[:-1])
    expected = run("ltx2", folder, model.shape, 64, images[0], tiny_video.PROMPTS[0], SEEDS[0], levels)
    assert_same("ltx2", model, folder, x, 0, expected)


def test_the_distilled_levels_are_those_that_diffusers_holds():
    from diffusers.pipelines.ltx2.utils import DISTILLED_SIGMA_VALUES

    assert list(DISTILLED_SIGMAS) == [*DISTILLED_SIGMA_VALUES, 0.0]
