"""What every video model promises (models/video/protocol.py), held against each adapter."""

import peft
import pytest
import torch

from models.video.build_video_model import build_video_model
from models.video.options import VideoModelOptions
from models.video.protocol import Condition
from tests.models.video import tiny_video

SIGMA = torch.tensor([0.9, 0.25])


def own(name: str, checkpoints, encoders: bool = False, **changes):
    """A model of the test's own, to be changed."""
    return build_video_model(VideoModelOptions(**tiny_video.options_for(name, checkpoints(name), **changes)), encoders)


@pytest.fixture
def state(name, models, conditions):
    model, (_, condition) = models(name), conditions(name)
    return model, model.start(model.noise([1, 2]), condition), condition


def test_each_row_has_its_own_noise_level_and_no_row_sees_another(state):
    model, x, condition = state
    together = model.velocity(x, SIGMA, condition)
    assert together.shape == x.shape == (2, *model.state_shape)
    assert together.dtype == torch.float32
    for row in range(2):
        alone = model.velocity(x[row : row + 1], SIGMA[row : row + 1], condition.take([row]))
        torch.testing.assert_close(alone[0], together[row], atol=1e-5, rtol=1e-5)
    four = model.velocity(x[[1, 0, 1, 1]], SIGMA[[1, 0, 0, 1]], condition.take([1, 0, 1, 1]))
    torch.testing.assert_close(four[[1, 0]], together, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(four[3], together[1], atol=1e-5, rtol=1e-5)


@pytest.mark.slow
def test_every_condition_and_the_time_change_the_velocity(name, state):
    """Else the equalities of these tests would say nothing about them."""
    model, x, condition = state
    before = model.velocity(x, SIGMA, condition)
    assert (model.velocity(x, SIGMA.flip(0), condition) - before).abs().max() > 1e-2
    for key, tensor in condition.tensors.items():
        if name.startswith("ltx2") and key == "prompt_mask":
            assert tensor.all(), "registers stand where a prompt ends"
            continue
        changed = Condition({**condition.tensors, key: tensor.flip(0)})
        assert (model.velocity(x, SIGMA, changed) - before).abs().max() > 2e-4, key


def test_conditions_encoded_apart_and_joined_are_those_encoded_together(name, models, conditions):
    model, (images, together) = models(name), conditions(name)
    parts = [
        model.encode_image(images[row : row + 1]) | model.encode_prompt(tiny_video.PROMPTS[row : row + 1])
        for row in range(2)
    ]
    joined = Condition.cat(parts)
    assert joined.tensors.keys() == together.tensors.keys()
    for key, tensor in joined.tensors.items():
        torch.testing.assert_close(tensor, together.tensors[key], atol=1e-5, rtol=1e-5)


def test_held_parts_stay_and_are_read_from_the_condition(name, state):
    model, x, condition = state
    if model.held is None:
        assert model.mask is None
        assert torch.equal(x, model.noise([1, 2]))
        return
    held = model.held.expand(model.state_shape).bool()
    assert 0 < held.sum() < held.numel()
    velocity = model.velocity(x, SIGMA, condition)
    assert velocity[:, held].abs().max() == 0
    noisy = torch.where(held, torch.randn(x.shape, generator=torch.Generator().manual_seed(9)), x)
    assert torch.equal(model.velocity(noisy, SIGMA, condition), velocity)
    assert not (model.mask.expand(model.state_shape).bool() & held).any()


@pytest.mark.parametrize("name", ["ltx2", "ltx2.3"])
def test_ltx2_audio_moves_without_a_loss(name, models, conditions):
    model, (_, condition) = models(name), conditions(name)
    border = model._tokens * model.latent_shape[0]
    x = model.start(model.noise([1, 2]), condition)
    assert model.velocity(x, SIGMA, condition)[:, border:].abs().min(1).values.max() > 0
    assert model.mask[border:].max() == 0
    assert model.held[border:].max() == 0
    louder = x.clone()
    louder[:, border:] *= 2
    change = model.velocity(louder, SIGMA, condition) - model.velocity(x, SIGMA, condition)
    assert change[:, :border].abs().max() > 1e-5, "the video attends to the audio"


def test_a_seed_gives_the_same_noise_in_any_batch(name, models):
    model = models(name)
    batch = model.noise([5, 6, 7])
    assert torch.equal(model.noise([7])[0], batch[2])
    assert not torch.equal(batch[0], batch[1])
    assert abs(batch.std() - 1) < 0.2


def test_levels_fall_from_about_one_to_zero(name, models):
    sigmas = models(name).sigmas(8)
    assert sigmas.shape == (9,)
    assert sigmas.dtype == torch.float32
    assert 0.99 < sigmas[0] <= 1
    assert sigmas[-1] == 0
    assert (sigmas.diff() < 0).all()


@pytest.mark.slow
def test_a_video_encoded_is_a_clean_state_that_starts_with_its_first_frame(name, models):
    model = models(name)
    size = (2, model.shape.frames, model.shape.height, model.shape.width, 3)
    videos = torch.randint(0, 256, size, generator=torch.Generator().manual_seed(3), dtype=torch.uint8)
    x = model.encode_video(videos)
    assert x.shape == (2, *model.state_shape)
    assert torch.equal(model.encode_video(videos[1:])[0], x[1]) or torch.allclose(
        model.encode_video(videos[1:])[0], x[1], atol=1e-5
    )
    decoded = model.decode(x)
    assert decoded.shape == size
    assert decoded.dtype == torch.uint8


def test_states_are_decoded_where_the_model_is(name, checkpoints, conditions, monkeypatch):
    """Rollouts may wait elsewhere: here the states are on the CPU, and the model on torch's meta device."""
    model, (_, condition) = own(name, checkpoints), conditions(name)
    x, there, seen = model.start(model.noise([1, 2]), condition), torch.device("meta"), []
    model.device = there
    for scale in {"_mean", "_std"} & vars(model).keys():
        setattr(model, scale, getattr(model, scale).to(there))

    def decode(latents, *_, **__):
        seen.append(latents.device)
        return (torch.zeros(len(latents), 3, 1, 4, 4),)

    monkeypatch.setattr(model.vae, "decode", decode)
    assert model.decode(x).shape == (2, 1, 4, 4, 3)
    assert set(seen) == {there}


@pytest.mark.slow
def test_absent_encoders_refuse_and_the_rest_works(name, checkpoints, conditions):
    model = own(name, checkpoints, encoders=False)
    images, condition = conditions(name)
    with pytest.raises(RuntimeError, match=r"not loaded"):
        model.encode_prompt(["a prompt"])
    if name in ("wan-clip", "hunyuan15"):
        with pytest.raises(RuntimeError, match=r"not loaded"):
            model.encode_image(images)
    else:
        model.encode_image(images)
    x = model.start(model.noise([1, 2]), condition)
    model.decode(x + model.velocity(x, SIGMA, condition))


def test_without_encoders_none_is_loaded_and_the_identity_is_the_same(name, checkpoints, models, monkeypatch):
    import transformers

    def refuse(*_, **__):
        raise AssertionError("an encoder was read")

    monkeypatch.setattr(transformers.PreTrainedModel, "from_pretrained", refuse)
    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", refuse)
    model = own(name, checkpoints)
    assert model.identity == models(name).identity
    with pytest.raises(RuntimeError, match=r"not loaded"):
        model.encode_prompt(["a prompt"])


def test_lora_targets_match_layers_and_only_they_train(name, checkpoints, conditions):
    """peft through diffusers' add_adapter; switched off, the base is what it was."""
    model, (_, condition) = own(name, checkpoints), conditions(name)
    x = model.start(model.noise([1, 2]), condition)
    base = model.velocity(x, SIGMA, condition)
    assert not base.requires_grad
    config = peft.LoraConfig(r=2, target_modules=list(model.lora_targets), init_lora_weights="gaussian")
    model.transformer.add_adapter(config)
    layers = [key for key, _ in model.transformer.named_parameters() if "lora_A" in key]
    for target in model.lora_targets:
        assert any(f".{target}.lora_A" in key for key in layers), f"{target} matches no layer"
    if name.startswith("ltx2"):
        assert not any(".audio_attn" in key or ".audio_ff" in key for key in layers)
    model.transformer.enable_gradient_checkpointing()
    velocity = model.velocity(x, SIGMA, condition)
    torch.testing.assert_close(velocity, base, atol=1e-6, rtol=1e-6)  # lora_B starts at zero
    (velocity**2).mean().backward()
    for key, parameter in model.transformer.named_parameters():
        assert parameter.requires_grad == ("lora_" in key), key
    trained = [p for key, p in model.transformer.named_parameters() if "lora_B" in key]
    assert sum(p.grad is not None and p.grad.abs().max() > 0 for p in trained) > 0.7 * len(trained)
    with torch.no_grad():
        for parameter in trained:
            parameter += 0.1
    assert (model.velocity(x, SIGMA, condition) - base).abs().max() > 1e-3
    model.transformer.disable_adapters()
    torch.testing.assert_close(model.velocity(x, SIGMA, condition), base, atol=1e-6, rtol=1e-6)


@pytest.mark.slow
def test_a_bfloat16_base_runs_close_to_float32(name, checkpoints, models, conditions):
    model, (images, condition) = own(name, checkpoints, encoders=True, dtype="bfloat16"), conditions(name)
    x = models(name).start(models(name).noise([1, 2]), condition)
    exact, rounded = models(name).velocity(x, SIGMA, condition), model.velocity(x, SIGMA, condition)
    assert rounded.dtype == torch.float32
    assert (rounded - exact).abs().mean() < 0.1 * exact.abs().mean()
    mine = model.encode_image(images) | model.encode_prompt(tiny_video.PROMPTS)
    assert mine.tensors["image"].dtype == torch.float32
    assert mine.tensors["prompt"].dtype == torch.bfloat16
    model.decode(model.velocity(x, SIGMA, mine))
    assert model.identity != models(name).identity
