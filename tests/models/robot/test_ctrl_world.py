"""The denoiser is Ctrl-World's: preconditioning and sampler are diffusers' for Stable Video Diffusion, its input the
released pipeline's, and no chunk depends on another."""

import pytest
import torch
from diffusers import EulerDiscreteScheduler

from models.robot.build_robot_model import build_robot_model
from models.robot.checkpoint import options_for
from models.video.edm import v_prediction_scales
from tests.models.robot.tiny import tiny_checkpoint

SVD_SCHEDULER = {  # scheduler/scheduler_config.json of stable-video-diffusion-img2vid
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "sigma_min": 0.002,
    "sigma_max": 700.0,
    "timestep_spacing": "leading",
    "timestep_type": "continuous",
    "steps_offset": 1,
    "use_karras_sigmas": True,
}


def network_output(model, scaled: torch.Tensor, time: torch.Tensor, condition) -> torch.Tensor:
    """The network asked as the released pipeline asks it, written out once more: F of the chunk's frames."""
    given = condition.tensors
    sample = torch.cat([given["history"], scaled], dim=1)
    beside = (given["current"] / 0.18215).unsqueeze(1).repeat(1, sample.shape[1], 1, 1, 1)
    tokens = model.transformer.action_encoder(given["actions"])
    ids = torch.tensor([[7.0, 127.0, 0.0]]).repeat(len(sample), 1)
    return model.transformer.unet(torch.cat([sample, beside], dim=2), time.expand(len(sample)), tokens, ids)[:, 6:]


def test_scales_are_the_closed_forms_of_the_training_code():
    sigma = torch.tensor([0.002, 0.3, 1.0, 20.0, 700.0], dtype=torch.float64)
    scales = v_prediction_scales(sigma)
    assert torch.allclose(scales.c_skip, 1 / (sigma**2 + 1), rtol=1e-14)
    assert torch.allclose(scales.c_out, -sigma / (sigma**2 + 1) ** 0.5, rtol=1e-14)
    assert torch.allclose(scales.c_in, 1 / (sigma**2 + 1) ** 0.5, rtol=1e-14)
    assert torch.allclose(scales.c_noise, sigma.log() / 4, rtol=1e-14)


def test_the_levels_are_the_schedulers(model):
    scheduler = EulerDiscreteScheduler(**SVD_SCHEDULER)
    for steps in (5, 50):
        scheduler.set_timesteps(steps)
        assert torch.allclose(model.sigmas(steps), scheduler.sigmas, rtol=1e-5, atol=0)


def test_d_is_the_schedulers_clean_prediction_and_the_sampler_its_loop(model, contexts):
    condition, steps = contexts(model, 2), 6
    scheduler = EulerDiscreteScheduler(**SVD_SCHEDULER)
    scheduler.set_timesteps(steps)
    latents = model.start(model.noise([3, 4]), condition)
    with torch.no_grad():
        for i, time in enumerate(scheduler.timesteps):
            scaled = scheduler.scale_model_input(latents, time)
            step = scheduler.step(network_output(model, scaled, time, condition), time, latents)
            ours = model.denoised(latents, model.sigmas(steps)[i].expand(2), condition)
            assert (ours - step.pred_original_sample).abs().max() < 2e-5 * ours.abs().max()
            latents = step.prev_sample
    sampled = model.sample_chunk(condition, [3, 4], steps)
    assert (sampled - latents).abs().max() < 2e-5 * latents.abs().max()


def test_k_candidates_at_once_equal_k_one_by_one(model, contexts):
    condition = contexts(model, 1).take([0] * 4)
    together = model.sample_chunk(condition, [1, 2, 3, 4], 4)
    alone = torch.cat([model.sample_chunk(condition.take([i]), [i + 1], 4) for i in range(4)])
    assert (together - alone).abs().max() < 1e-5 * together.abs().max()
    mixed = contexts(model, 3)
    rows = torch.cat([model.sample_chunk(mixed.take([i]), [7], 4) for i in range(3)])
    assert (model.sample_chunk(mixed, [7, 7, 7], 4) - rows).abs().max() < 1e-5 * rows.abs().max()


def test_history_current_frame_and_actions_all_matter_and_the_past_is_never_changed(model, contexts):
    condition, x, sigma = contexts(model, 1), model.noise([5]), torch.ones(1)
    base = model.velocity(x, sigma, condition)
    assert base.shape == (1, *model.state_shape) == (1, 5, 4, 24, 12)
    for name in ("history", "current", "actions", "heard"):
        moved = type(condition)({**condition.tensors, name: condition.tensors[name] * 0.5})
        assert (model.velocity(x, sigma, moved) - base).abs().max() > 1e-5, name


def test_an_unheard_chunk_has_zero_tokens_and_the_others_stay(model, contexts):
    condition = contexts(model, 2)
    quiet = model.unheard(condition, torch.tensor([True, False]))
    tokens = model.transformer.tokens(quiet.tensors["actions"], quiet.tensors["heard"])
    heard = model.transformer.tokens(condition.tensors["actions"])
    assert torch.equal(tokens[0], torch.zeros_like(tokens[0])) and torch.equal(tokens[1], heard[1])


def test_views_are_stacked_by_height_in_their_order(model):
    latents = torch.arange(2 * 3 * 4 * 8 * 12.0).reshape(2, 3, 4, 8, 12)
    stacked = model.stack(latents)
    assert stacked.shape == (2, 4, 24, 12)
    assert torch.equal(stacked[:, :, 8:16], latents[:, 1])
    assert torch.equal(model.unstack(stacked), latents)


@pytest.mark.parametrize("views", [1, 2, 3])
def test_one_to_three_views_are_encoded_and_decoded_each_on_its_own(tmp_path, views):
    options = options_for(tiny_checkpoint(tmp_path, views), dtype="float32", device="cpu", decode_chunk=2, vae_batch=3)
    model = build_robot_model(options)
    frames = torch.randint(0, 256, (5, views, 16, 24, 3), generator=torch.Generator().manual_seed(1)).to(torch.uint8)
    latents = model.encode_views(frames)
    unit = frames[:, -1].permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad():
        mode = model.vae.encode(unit).latent_dist.mode() * 0.18215
    assert latents.shape == (5, views, 4, 8, 12)
    assert torch.allclose(latents[:, -1], mode, atol=1e-6)
    with torch.no_grad():
        pieces = [model.vae.decode(piece / 0.18215, num_frames=len(piece)).sample for piece in mode.split(2)]
    wanted = ((torch.cat(pieces).clamp(-1, 1) + 1) * 127.5).round().permute(0, 2, 3, 1)
    decoded = model.decode_views(latents)
    assert decoded.dtype == torch.uint8 and decoded.shape == frames.shape
    assert (decoded[:, -1].float() - wanted).abs().max() <= 1
    x = model.stack(latents)[None]
    assert torch.equal(model.decode(x)[0], decoded)
    beside = model.decode(torch.cat([x.flip(1), x]))[1].float()  # whatever else is in the batch, up to a rounding
    assert (beside - decoded.float()).abs().max() <= 1


def test_the_decode_chunk_shows(folder, model):
    other = build_robot_model(options_for(folder, dtype="float32", device="cpu", decode_chunk=1))
    latents = torch.randn(5, 3, 4, 8, 12, generator=torch.Generator().manual_seed(2)) * 0.3
    assert not torch.equal(other.decode_views(latents), model.decode_views(latents))
    assert other.identity != model.identity and other.latents_identity == model.latents_identity


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"history": (2, 6, 2, 4, 8, 12)}, r"history are .*\[2, 6, 2, 4, 8, 12\].*\[N, 6, 3, 4, 8, 12\].*external_1"),
        ({"current": (1, 3, 4, 8, 12)}, "current are of 1 chunks, but history of 2"),
        ({"actions": (2, 5, 7)}, r"actions are .*\[2, 5, 7\]: give \[N, 11, 7\]"),
    ],
)
def test_a_context_of_another_shape_is_refused(model, change, said):
    shapes = {"history": (2, 6, 3, 4, 8, 12), "current": (2, 3, 4, 8, 12), "actions": (2, 11, 7)} | change
    with pytest.raises(ValueError, match=said):
        model.context(**{name: torch.zeros(shape) for name, shape in shapes.items()})


def test_actions_that_are_not_finite_are_refused(model):
    actions = torch.zeros(2, 11, 7)
    actions[1, 3, 2] = float("nan")
    with pytest.raises(ValueError, match="actions hold numbers that are not finite"):
        model.context(torch.zeros(2, 6, 3, 4, 8, 12), torch.zeros(2, 3, 4, 8, 12), actions)


def test_frames_of_another_size_or_type_are_refused(model):
    with pytest.raises(ValueError, match=r"frames are torch.uint8 \[2, 3, 18, 24, 3\]: give .*\[N, 3, 16, 24, 3\]"):
        model.encode_views(torch.zeros(2, 3, 18, 24, 3, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"frames are torch\.float32"):
        model.encode_views(torch.zeros(2, 3, 16, 24, 3))


def test_bfloat16_weights_give_nearly_the_same_in_float32(folder, model, contexts):
    half = build_robot_model(options_for(folder, dtype="bfloat16", device="cpu"))
    condition, x = contexts(model, 1), model.noise([1])
    exact, rough = (one.denoised(x, torch.ones(1), condition) for one in (model, half))
    assert (
        rough.dtype == torch.float32 and half.transformer.action_encoder.action_encode[0].weight.dtype == torch.float32
    )
    assert (rough - exact).abs().max() < 0.05 * exact.abs().max()


def test_instructions_are_heard_by_a_model_that_is_told_them(tmp_path, contexts):
    model = build_robot_model(options_for(tiny_checkpoint(tmp_path, text=True), dtype="float32", device="cpu"))
    zeros = torch.zeros(2, 6, 3, 4, 8, 12), torch.zeros(2, 3, 4, 8, 12), torch.zeros(2, 11, 7)
    told = model.context(*zeros, ["close the drawer", "wipe"])
    assert told.tensors["text"].shape == (2, 16)
    alone = model.context(*(part[:1] for part in zeros), ["close the drawer"])
    assert torch.equal(told.tensors["text"][:1], alone.tensors["text"])
    one, other = model.denoised(model.noise([1]).expand(2, -1, -1, -1, -1), torch.ones(2), told)
    assert (one - other).abs().max() > 1e-5
    assert torch.equal(model.context(*zeros).tensors["text"], model.context(*zeros, ["", ""]).tensors["text"])
