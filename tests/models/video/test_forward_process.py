"""The forward process of flow models and of EDM's, and that both speak one language: velocity at a noise level."""

from itertools import pairwise

import pytest
import torch
from diffusers import EulerDiscreteScheduler

from models.video.edm import EDM, edm_scales, karras_sigmas, v_prediction_scales
from models.video.flow import clean_prediction, renoise
from models.video.sampling import ode, sde
from tests.models.video.tiny_edm import TinyEDM

STATES = (6, 3, 2, 2, 2)
EDM_LEVELS = torch.tensor([0.02, 0.3, 1.0, 8.0, 80.0, 700.0], dtype=torch.float64)
FLOW_LEVELS = torch.linspace(0.1, 0.95, 6, dtype=torch.float64)


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def tiny() -> TinyEDM:
    return TinyEDM()


@pytest.fixture
def condition(tiny):
    images = torch.randint(0, 256, (6, 16, 16, 3), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    return tiny.encode_image(images) | tiny.encode_prompt([f"[red disc]: move to the {n}" for n in range(6)])


def test_flow_models_mix_and_aim_bit_for_bit_as_the_straight_path(name, models):
    model, sigma = models(name), torch.tensor([0.25, 0.9])
    noise, x0 = model.noise([1, 2]), model.noise([3, 4])
    x = model.noised(x0, noise, sigma)
    assert torch.equal(x, renoise(x0, noise, sigma))
    assert torch.equal(model.target(x0, noise, x, sigma), noise - x0)


def test_edm_noise_is_added_and_its_target_is_that_noise(tiny):
    x0, noise = normal(1, *STATES), normal(2, *STATES)
    x = tiny.noised(x0, noise, EDM_LEVELS)
    assert torch.equal(x[5], x0[5] + 700 * noise[5])
    torch.testing.assert_close(tiny.target(x0, noise, x, EDM_LEVELS), noise, rtol=0, atol=1e-6)
    x = tiny.noised(x0.float(), noise.float(), EDM_LEVELS.float())
    target = tiny.target(x0.float(), noise.float(), x, EDM_LEVELS.float())
    torch.testing.assert_close(target.double(), noise, rtol=0, atol=1e-5)  # half a bit of x, divided by .02


@pytest.mark.parametrize("family", ["flow", "edm"])
def test_the_target_is_the_slope_of_the_forward_process(family, models, tiny):
    """d x / d sigma by central differences."""
    model, sigma = (models("wan-frame"), FLOW_LEVELS) if family == "flow" else (tiny, EDM_LEVELS)
    x0, noise = normal(1, *STATES), normal(2, *STATES)
    x, h = model.noised(x0, noise, sigma), 1e-4
    slope = (model.noised(x0, noise, sigma + h) - model.noised(x0, noise, sigma - h)) / (2 * h)
    torch.testing.assert_close(slope, model.target(x0, noise, x, sigma), rtol=1e-7, atol=1e-7)


def test_the_state_less_sigma_times_the_target_is_the_data_for_both(models, tiny):
    x0, noise = normal(1, *STATES), normal(2, *STATES)
    for model, sigma in ((models("wan-frame"), FLOW_LEVELS), (tiny, EDM_LEVELS)):
        x = model.noised(x0, noise, sigma)
        found = clean_prediction(x, model.target(x0, noise, x, sigma), sigma)
        torch.testing.assert_close(found, x0, rtol=0, atol=1e-12)


def test_sampling_edms_velocity_is_edms_euler_step():
    """Karras et al., Algorithm 1 without its correction, in float64 from 700 down to 0."""
    levels = karras_sigmas(12, 0.002, 700.0).double()

    class Shrink(EDM):
        def denoised(self, x, sigma, condition):
            return torch.tanh(x) / (1 + sigma.view(-1, 1))

    x = start = 700 * normal(3, 4, 7)
    model = Shrink()
    for here, there in pairwise(levels):
        d = (x - torch.tanh(x) / (1 + here)) / here
        x = x + (there - here) * d
    found = ode(lambda x, sigma: model.velocity(x, sigma, None), start, levels).clean
    torch.testing.assert_close(found, x, rtol=1e-12, atol=1e-12)


def test_levels_and_steps_are_those_of_diffusers_scheduler_for_stable_video_diffusion(tiny, condition):
    scheduler = EulerDiscreteScheduler(
        prediction_type="v_prediction",
        use_karras_sigmas=True,
        sigma_min=0.002,
        sigma_max=700.0,
        timestep_type="continuous",
    )
    scheduler.set_timesteps(10)
    sigmas = tiny.sigmas(10)
    torch.testing.assert_close(sigmas, scheduler.sigmas.float(), rtol=1e-5, atol=1e-7)
    x = tiny.start(tiny.noise(range(6)), condition)
    assert torch.equal(x, 700 * tiny.noise(range(6)))
    found = ode(lambda x, sigma: tiny.velocity(x, sigma, condition), x, sigmas).clean
    for time in scheduler.timesteps:
        output = tiny.transformer(
            scheduler.scale_model_input(x, time),
            time.expand(6),
            condition.tensors["image"],
            condition.tensors["prompt"],
        )
        x = scheduler.step(output, time, x).prev_sample
    torch.testing.assert_close(found, x, rtol=1e-4, atol=1e-4)


def test_karras_levels_by_number():
    levels = karras_sigmas(3, 0.002, 80.0)
    middle = ((80 ** (1 / 7) + 0.002 ** (1 / 7)) / 2) ** 7
    torch.testing.assert_close(levels, torch.tensor([80.0, middle, 0.002, 0.0]))
    assert karras_sigmas(1, 0.002, 80.0).tolist() == [80.0, 0.0]


def test_scales_keep_inputs_and_targets_of_unit_variance():
    """Karras et al., Appendix B.6: c_in x and (x0 - c_skip x) / c_out have variance 1, whatever the level."""
    sigma = EDM_LEVELS
    for data, scales in ((0.5, edm_scales(sigma)), (1.0, v_prediction_scales(sigma))):
        total = data**2 + sigma**2
        torch.testing.assert_close(scales.c_in**2 * total, torch.ones(6).double())
        error = (1 - scales.c_skip) ** 2 * data**2 + scales.c_skip**2 * sigma**2
        torch.testing.assert_close(error / scales.c_out**2, torch.ones(6).double())
    assert (v_prediction_scales(sigma).c_out < 0).all()
    torch.testing.assert_close(edm_scales(sigma).c_noise, sigma.log() / 4)


def test_a_perfect_denoiser_takes_noise_to_its_data(tiny):
    class Perfect(TinyEDM):
        def denoised(self, x, sigma, condition):
            return torch.full_like(x, 0.3)

    model = Perfect()
    x = model.start(model.noise([1, 2]), None)
    found = ode(lambda x, sigma: model.velocity(x, sigma, None), x, model.sigmas(8)).clean
    torch.testing.assert_close(found, torch.full_like(x, 0.3), rtol=0, atol=1e-4)


def test_the_stochastic_steps_of_flow_models_refuse_edms_levels(tiny, condition):
    x = tiny.start(tiny.noise(range(6)), condition)
    with pytest.raises(ValueError, match="first level is 700"):
        sde(lambda x, sigma: x, x, tiny.sigmas(4), eta=0.7, noise=tiny.noise, seeds=range(6))


def test_the_tiny_model_keeps_the_protocols_promises(tiny, condition):
    """No row sees another, level and conditions count, videos are encoded and decoded, LoRA finds its layers."""
    x, sigma = tiny.noised(tiny.noise(range(6)), tiny.noise(range(6, 12)), EDM_LEVELS.float()), EDM_LEVELS.float()
    together = tiny.velocity(x, sigma, condition)
    assert together.shape == (6, *tiny.state_shape)
    alone = tiny.velocity(x[2:3], sigma[2:3], condition.take([2]))
    torch.testing.assert_close(alone[0], together[2])
    assert (tiny.velocity(x, sigma, condition.take(range(5, -1, -1))) - together).abs().max() > 1e-4
    videos = torch.randint(0, 256, (2, 8, 16, 16, 3), generator=torch.Generator().manual_seed(3), dtype=torch.uint8)
    states = tiny.encode_video(videos)
    assert states.shape == (2, *tiny.state_shape)
    assert torch.equal(tiny.encode_video(tiny.decode(states)), tiny.encode_video(tiny.decode(states)))
    torch.testing.assert_close(tiny.encode_video(tiny.decode(states)), states, rtol=0, atol=1 / 127)
    names = [name for name, layer in tiny.transformer.named_modules() if isinstance(layer, torch.nn.Linear)]
    assert sorted(names) == sorted(tiny.lora_targets)
