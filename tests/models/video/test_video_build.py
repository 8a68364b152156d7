"""Bad checkpoints and options are errors at start that name the thing and what would be right."""

import json
import shutil

import pytest
import torch
from pydantic import ValidationError

from models.video.build_video_model import build_video_model, describe
from models.video.options import VideoModelOptions
from storage.files import PathOutsideRoot
from tests.models.video import tiny_video


@pytest.fixture
def copied(checkpoints, tmp_path):
    """name -> a copy of its checkpoint, to be damaged."""

    def copy(name: str):
        return shutil.copytree(checkpoints(name), tmp_path / name)

    return copy


def build(name: str, folder, **changes):
    return build_video_model(VideoModelOptions(**tiny_video.options_for(name, folder, **changes)), encoders=False)


def edit(file, **changes) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"framse": 9}, "framse"),
        ({"kind": "sora"}, "kind"),
        ({"dtype": "float16"}, "dtype"),
        ({"frames": 0}, "frames"),
        ({"fps": float("inf")}, "fps"),
        ({"ltx2": {"schedule": "distilled"}}, "the block ltx2 is given, but kind is 'wan'"),
        ({"kind": "ltx2", "ltx2": {"steps": 8}}, "steps"),
        ({"kind": "ltx2", "ltx2": {"image_crf": 52}}, "image_crf"),
    ],
)
def test_unknown_keys_and_impossible_values_are_refused(change, word):
    with pytest.raises(ValidationError, match=word):
        VideoModelOptions(**tiny_video.options_for("wan-channels", "folder", **change))


@pytest.mark.parametrize("part", ["vae", "text_encoder", "scheduler", "tokenizer", "transformer"])
@pytest.mark.parametrize("name", ["wan-channels", "ltx2", "hunyuan15"])
def test_a_missing_part_is_named(name, part, copied):
    folder = copied(name)
    shutil.rmtree(folder / part)
    with pytest.raises(FileNotFoundError, match=part):
        build(name, folder)


def test_a_missing_shard_is_named(copied):
    folder = copied("hunyuan15")
    from diffusers import HunyuanVideo15Transformer3DModel

    model = HunyuanVideo15Transformer3DModel.from_pretrained(folder / "transformer")
    shutil.rmtree(folder / "transformer")
    model.save_pretrained(folder / "transformer", max_shard_size="6MB")
    build("hunyuan15", folder)
    lost = sorted((folder / "transformer").glob("*-of-*.safetensors"))[1]
    lost.unlink()
    with pytest.raises(FileNotFoundError, match=lost.name):
        build("hunyuan15", folder)


def test_a_shard_outside_its_folder_is_refused(copied):
    folder = copied("wan-channels") / "transformer"
    weights = folder / "diffusion_pytorch_model.safetensors"
    weights.rename(folder.parent / "elsewhere.safetensors")
    index = {"metadata": {}, "weight_map": {"a": "../elsewhere.safetensors"}}
    (folder / f"{weights.name}.index.json").write_text(json.dumps(index))
    with pytest.raises(PathOutsideRoot, match=r"\.\./elsewhere"):
        build("wan-channels", folder.parent)


def test_a_cut_off_file_is_named_with_its_size(copied):
    folder = copied("ltx2")
    weights = folder / "vae" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(ValueError, match=r"vae.*bytes\) is not a complete safetensors file"):
        build("ltx2", folder)


@pytest.mark.parametrize(
    "garbage", [b"", b"\x80\x04pickle", (2**40).to_bytes(8, "little") * 2, b"\x02" + b"\0" * 7 + b"[]"]
)
def test_what_is_no_safetensors_file_is_refused(garbage, copied):
    folder = copied("wan-channels")
    (folder / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(garbage)
    with pytest.raises(ValueError, match=r"safetensors"):
        build("wan-channels", folder)


def test_pickles_are_not_read(copied):
    folder = copied("wan-channels")
    weights = folder / "vae" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(FileNotFoundError, match=r"diffusion_pytorch_model\.bin is not read, because it could run code"):
        build("wan-channels", folder)


def test_a_tokenizers_own_code_is_neither_run_nor_asked_about(copied, monkeypatch):
    folder = copied("wan-channels")
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("somebody was asked"))
    edit(
        folder / "tokenizer" / "tokenizer_config.json", tokenizer_class="Own", auto_map={"AutoTokenizer": ["o.Own"] * 2}
    )
    (folder / "tokenizer" / "o.py").write_text("raise SystemExit('the code ran')")
    with pytest.raises(ValueError, match="custom code"):
        build_video_model(VideoModelOptions(**tiny_video.options_for("wan-channels", folder)))


def test_weights_that_leave_a_parameter_random_are_refused(copied):
    from safetensors.torch import load_file, save_file

    folder = copied("wan-channels")
    weights = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    state = load_file(weights)
    del state["proj_out.weight"]
    save_file(state, weights)
    with pytest.raises(ValueError, match=r"transformer do not fit.*proj_out\.weight"):
        build("wan-channels", folder)


@pytest.mark.parametrize(
    ("name", "change", "right"),
    [
        ("wan-channels", {"height": 40}, "32 or 48"),
        ("wan-channels", {"width": 8}, "16"),
        ("wan-channels", {"frames": 8}, "5 or 9"),
        ("wan-held", {"width": 2064}, "rope_max_seq_len"),
        ("ltx2", {"width": 80}, "64 or 96"),
        ("ltx2", {"frames": 16}, "9 or 17"),
        ("ltx2", {"width": 32}, "at least 64"),
        ("ltx2", {"max_prompt_tokens": 60}, "use a multiple of 8"),
        ("ltx2", {"frames": 1, "fps": 240.0}, "too short"),
        ("hunyuan15", {"height": 72}, "64 or 80"),
        ("hunyuan15", {"frames": 4}, "1 or 5"),
        ("wan-clip", {"max_prompt_tokens": 128}, "512"),
    ],
)
def test_a_shape_that_does_not_fit_is_refused_with_one_that_does(name, change, right, checkpoints):
    with pytest.raises(ValueError, match=right):
        build(name, checkpoints(name), **change)
    with pytest.raises(ValueError, match=right):
        describe(VideoModelOptions(**tiny_video.options_for(name, checkpoints(name), **change)))


def test_two_experts_are_refused_with_what_is_supported(copied):
    folder = copied("wan-channels")
    edit(folder / "model_index.json", boundary_ratio=0.9)
    with pytest.raises(ValueError, match=r"A14B.*Supported: Wan 2\.1 I2V"):
        build("wan-channels", folder)


def test_a_mean_flow_checkpoint_is_refused(copied):
    folder = copied("hunyuan15")
    edit(folder / "transformer" / "config.json", use_meanflow=True)
    with pytest.raises(ValueError, match=r"use_meanflow"):
        build("hunyuan15", folder)


def test_a_text_to_video_checkpoint_is_refused(copied):
    folder = copied("wan-held")
    edit(folder / "model_index.json", expand_timesteps=False)
    with pytest.raises(ValueError, match=r"text-to-video"):
        build("wan-held", folder)


def test_a_checkpoint_of_another_kind_is_refused(checkpoints):
    options = tiny_video.options_for("wan-channels", checkpoints("hunyuan15"))
    with pytest.raises(ValueError, match=r"HunyuanVideo15Transformer3DModel, but must be a WanTransformer3DModel"):
        build_video_model(VideoModelOptions(**{**options, "kind": "wan"}), encoders=False)


@pytest.mark.parametrize("path", ["no/such/folder", "/nowhere", "./nothing", "nothing"])
def test_a_folder_that_is_not_there_is_named(path):
    with pytest.raises(FileNotFoundError, match=path):
        build("wan-channels", path)


def test_a_hub_id_without_network_is_named():
    with pytest.raises(FileNotFoundError, match=r"owner/name.*could it be downloaded"):
        build("wan-channels", "owner/name")


def test_a_revision_of_a_local_folder_is_refused(checkpoints):
    with pytest.raises(ValueError, match=r"revision 'main'"):
        build("wan-channels", checkpoints("wan-channels"), revision="main")


def test_cuda_that_is_not_there_is_refused(checkpoints):
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(ValueError, match=r"device is cuda"):
        build("wan-channels", checkpoints("wan-channels"), device="cuda")


@pytest.mark.parametrize("name", ["wan-channels", "ltx2"])
def test_images_and_videos_of_another_size_are_refused(name, models):
    model = models(name)
    with pytest.raises(ValueError, match=rf"uint8 \[B, {model.shape.height}, {model.shape.width}, 3\]"):
        model.encode_image(torch.zeros(1, 16, 16, 3, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"float32.*uint8"):
        model.encode_video(torch.zeros(1, 9, 32, 48, 3))


def test_the_distilled_schedule_has_eight_steps(checkpoints):
    model = build("ltx2", checkpoints("ltx2"), ltx2={"schedule": "distilled"})
    assert model.sigmas(8)[0] == 1
    with pytest.raises(ValueError, match=r"steps: 25 .*use 8"):
        model.sigmas(25)


def test_the_identity_follows_content_and_settings_not_the_place(checkpoints, copied):
    folder = copied("wan-channels")
    identity = build("wan-channels", checkpoints("wan-channels")).identity
    assert build("wan-channels", folder, vae_batch=7).identity == identity
    assert build("wan-channels", folder, max_prompt_tokens=41).identity != identity
    assert build("wan-channels", folder, frames=5).identity != identity
    weights = folder / "text_encoder" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-2] ^= 1  # one bit of one weight: same size, same header
    weights.write_bytes(data)
    assert build("wan-channels", folder).identity != identity


def test_a_large_file_is_sampled_and_retraining_shows(tmp_path, monkeypatch):
    from safetensors.torch import save_file

    from models import weights

    monkeypatch.setattr(weights, "SMALL", 1000)
    monkeypatch.setattr(weights, "SAMPLE", 64)
    prints = []
    for step in range(2):
        save_file({"weight": torch.full((100_000,), float(step))}, tmp_path / "a.safetensors")
        prints += [weights.fingerprint(tmp_path / "a.safetensors") for _ in range(2)]
    assert prints[0] == prints[1] != prints[2] == prints[3]


def test_the_description_is_that_of_the_loaded_model_and_reads_no_weights(name, models, copied):
    folder = copied(name)
    for file in folder.rglob("*.safetensors"):
        file.unlink()
    model = models(name)
    facts = describe(VideoModelOptions(**tiny_video.options_for(name, folder)))
    assert facts.parameters == sum(parameter.numel() for parameter in model.transformer.parameters())
    assert facts.depth == 2
    assert facts.state_size == torch.Size(model.state_shape).numel()
    assert (facts.audio_tokens > 0) == name.startswith("ltx2")
    assert facts.joint_context == (name == "hunyuan15")


def test_the_description_of_published_sizes(copied):
    """Facts of real checkpoints, from their published configs: LTX-2 has 19 B parameters, Wan 2.2 TI2V 5 B."""
    folder = copied("ltx2")
    (folder / "transformer" / "config.json").write_text('{"_class_name": "LTX2VideoTransformer3DModel"}')
    edit(folder / "audio_vae" / "config.json", latent_channels=8, mel_bins=64)
    options = tiny_video.options_for("ltx2", folder, frames=121, height=512, width=768, max_prompt_tokens=1024)
    facts = describe(VideoModelOptions(**options))
    assert 18e9 < facts.parameters < 20e9
    assert facts.tokens == 16 * 16 * 24
    assert facts.audio_tokens == 126


def test_the_scheduler_of_published_wan_checkpoints_gives_its_levels(copied):
    """UniPC there, with its own name for the shift: sigma' = s sigma / (1 + (s - 1) sigma) of even levels."""
    from diffusers import UniPCMultistepScheduler

    folder = copied("wan-held")
    shutil.rmtree(folder / "scheduler")
    UniPCMultistepScheduler(use_flow_sigmas=True, flow_shift=5.0, prediction_type="flow_prediction").save_pretrained(
        folder / "scheduler"
    )
    sigmas = build("wan-held", folder).sigmas(4)
    even = torch.linspace(1, 0, 5)
    torch.testing.assert_close(sigmas, 5 * even / (1 + 4 * even), atol=2e-3, rtol=0)


def test_another_scheduler_is_refused(copied):
    folder = copied("ltx2")
    edit(folder / "scheduler" / "scheduler_config.json", _class_name="DDIMScheduler")
    with pytest.raises(ValueError, match=r"'DDIMScheduler': only FlowMatchEulerDiscreteScheduler is supported"):
        build("ltx2", folder)
