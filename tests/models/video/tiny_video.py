"""Tiny image-to-video checkpoints with random weights: the real classes of diffusers, saved as folders."""

import json
from pathlib import Path

PROMPTS = ["[Red disc]: move to the blue frame.", 'A hand lifts the cup with "tea" on it, slowly, and puts it down.']
TEXT = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 2}
TEXT |= {"num_key_value_heads": 1, "max_position_embeddings": 2048, "initializer_range": 0.3}
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def byte_tokenizer(**special: str):
    """Byte-level BPE without merges: 256 bytes and the special tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    bytes_ = sorted(pre_tokenizers.ByteLevel.alphabet())
    names = ["<pad>", "<eos>", "<|im_start|>", "<|im_end|>"]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate([*names, *bytes_])}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(names)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", **special)


def stir(module, scale: float = 0.2) -> None:
    """Moves every parameter a little: fresh weights have zeros and ones that would hide a wrong input."""
    import torch

    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += (
                scale
                * parameter.std().nan_to_num(0.5).clamp(0.05, 0.5)
                * torch.randn(parameter.shape, generator=generator)
            )


def save(folder: Path, pipeline: str, parts: dict, **settings) -> Path:
    """Writes the parts, each into its folder, and model_index.json."""
    folder.mkdir(parents=True)
    index = {"_class_name": pipeline, "_diffusers_version": "0.42.1", **settings}
    for name, part in parts.items():
        if part is None:
            index[name] = [None, None]
            continue
        part.save_pretrained(folder / name)
        module = type(part).__module__
        if module.startswith("diffusers.pipelines."):
            module = module.split(".")[2]  # as published checkpoints name a pipeline's own parts
        index[name] = [module if module.startswith("models.") else module.split(".")[0], type(part).__name__]
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def umt5(vocabulary: int):
    from transformers import UMT5Config, UMT5EncoderModel

    config = UMT5Config(vocab_size=vocabulary, d_model=32, d_kv=16, d_ff=48, num_layers=2, num_heads=2, pad_token_id=0)
    return UMT5EncoderModel(config)


def wan_vae(z_dim: int):
    from diffusers import AutoencoderKLWan

    means, stds = [0.1 * i for i in range(z_dim)], [1 + 0.1 * i for i in range(z_dim)]
    return AutoencoderKLWan(
        base_dim=4,
        z_dim=z_dim,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
        latents_mean=means,
        latents_std=stds,
    )


def build_wan(folder: Path, variant: str) -> Path:
    """`variant` frame (the microworld's VAE), channels (no CLIP), clip (Wan 2.1) or held (Wan 2.2 TI2V)."""
    import torch
    from diffusers import FlowMatchEulerDiscreteScheduler, WanTransformer3DModel
    from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModel

    from models.video.frame_vae import FrameVAE

    torch.manual_seed(0)
    tokenizer, z_dim = byte_tokenizer(), 4
    clip = variant == "clip"
    vision = CLIPVisionConfig(hidden_size=16, intermediate_size=24, num_hidden_layers=3, num_attention_heads=2)
    vision.image_size, vision.patch_size = 32, 16
    parts = {
        "tokenizer": tokenizer,
        "text_encoder": umt5(len(tokenizer)),
        "transformer": WanTransformer3DModel(
            num_attention_heads=2,
            attention_head_dim=12,
            in_channels={"held": z_dim, "frame": 2 * z_dim + 1}.get(variant, 2 * z_dim + 4),
            out_channels=z_dim,
            text_dim=32,
            freq_dim=16,
            ffn_dim=32,
            num_layers=2,
            image_dim=16 if clip else None,
            added_kv_proj_dim=24 if clip else None,
            rope_max_seq_len=32,
        ),
        "vae": wan_vae(z_dim) if variant != "frame" else FrameVAE(z_dim, 8, [0.1] * z_dim, [1.1] * z_dim),
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=3.0),
        "image_encoder": CLIPVisionModel(vision) if clip else None,
        "image_processor": CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
        if clip
        else None,
        "transformer_2": None,
    }
    stir(parts["transformer"])
    return save(folder, "WanImageToVideoPipeline", parts, boundary_ratio=None, expand_timesteps=variant == "held")


def build_ltx2(folder: Path, version: str = "2.0") -> Path:
    """`version` 2.0, or 2.3: modulated prompts, gated attention, projections for each stream."""
    import torch
    from diffusers import (
        AutoencoderKLLTX2Audio,
        AutoencoderKLLTX2Video,
        FlowMatchEulerDiscreteScheduler,
        LTX2VideoTransformer3DModel,
    )
    from diffusers.pipelines.ltx2 import LTX2TextConnectors, LTX2Vocoder
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration

    torch.manual_seed(0)
    tokenizer, new = byte_tokenizer(), version == "2.3"
    text = {**TEXT, "hidden_size": 32, "head_dim": 16, "vocab_size": len(tokenizer) + 4, "sliding_window": 64}
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = Gemma3Config(
        text_config=text,
        vision_config={**vision, "image_size": 28, "patch_size": 14},
        mm_tokens_per_image=4,
        image_token_index=len(tokenizer),
        boi_token_index=len(tokenizer) + 1,
        eoi_token_index=len(tokenizer) + 2,
    )
    vae = AutoencoderKLLTX2Video(
        latent_channels=4,
        block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 16, 32),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1),
        patch_size=4,
        spatial_compression_ratio=32,
        temporal_compression_ratio=8,
    )
    audio_vae = AutoencoderKLLTX2Audio(base_channels=4, ch_mult=(1,), num_res_blocks=1, latent_channels=2, mel_bins=8)
    for part in (vae, audio_vae):
        part.latents_mean.normal_(generator=torch.Generator().manual_seed(1)).mul_(0.1)
        part.latents_std.uniform_(0.8, 1.2, generator=torch.Generator().manual_seed(2))
    parts = {
        "tokenizer": tokenizer,
        "text_encoder": Gemma3ForConditionalGeneration(config),
        "connectors": LTX2TextConnectors(
            caption_channels=32,
            text_proj_in_factor=4,
            video_connector_num_attention_heads=2,
            video_connector_attention_head_dim=16,
            video_connector_num_layers=1,
            video_connector_num_learnable_registers=8,
            audio_connector_num_attention_heads=2,
            audio_connector_attention_head_dim=16,
            audio_connector_num_layers=1,
            audio_connector_num_learnable_registers=8,
            per_modality_projections=new,
            video_hidden_dim=32,
            audio_hidden_dim=32,
        ),
        "transformer": LTX2VideoTransformer3DModel(
            in_channels=4,
            out_channels=4,
            num_attention_heads=2,
            attention_head_dim=16,
            cross_attention_dim=32,
            audio_in_channels=4,
            audio_out_channels=4,
            audio_num_attention_heads=2,
            audio_attention_head_dim=16,
            audio_cross_attention_dim=32,
            num_layers=2,
            caption_channels=32,
            gated_attn=new,
            audio_gated_attn=new,
            cross_attn_mod=new,
            audio_cross_attn_mod=new,
            use_prompt_embeddings=not new,
        ),
        "vae": vae,
        "audio_vae": audio_vae,
        "vocoder": LTX2Vocoder(
            in_channels=16,
            hidden_channels=8,
            upsample_kernel_sizes=[4],
            upsample_factors=[2],
            resnet_kernel_sizes=[3],
            resnet_dilations=[[1, 1, 1]],
        ),
        "scheduler": FlowMatchEulerDiscreteScheduler(
            use_dynamic_shifting=True,
            base_shift=0.95,
            max_shift=2.05,
            base_image_seq_len=1024,
            max_image_seq_len=4096,
            shift_terminal=0.1,
        ),
    }
    stir(parts["transformer"])
    return save(folder, "LTX2ImageToVideoPipeline", parts)


def build_hunyuan15(folder: Path) -> Path:
    import torch
    import transformers
    from diffusers import (
        AutoencoderKLHunyuanVideo15,
        ClassifierFreeGuidance,
        FlowMatchEulerDiscreteScheduler,
        HunyuanVideo15Transformer3DModel,
    )

    torch.manual_seed(0)
    tokenizer = byte_tokenizer(chat_template=CHAT_TEMPLATE)
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 2, 4]}
    text = transformers.Qwen2_5_VLTextConfig(**TEXT, vocab_size=len(tokenizer), pad_token_id=0, rope_parameters=rope)
    glyphs = transformers.T5Config(vocab_size=384, d_model=16, d_kv=8, d_ff=24, num_layers=1, num_heads=2)
    vision = transformers.SiglipVisionConfig(
        hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=16
    )
    parts = {
        "tokenizer": tokenizer,
        "text_encoder": transformers.Qwen2_5_VLTextModel(text),
        "tokenizer_2": transformers.ByT5Tokenizer(),
        "text_encoder_2": transformers.T5EncoderModel(glyphs),
        "image_encoder": transformers.SiglipVisionModel(vision),
        "feature_extractor": transformers.SiglipImageProcessor(size={"height": 32, "width": 32}),
        "transformer": HunyuanVideo15Transformer3DModel(
            in_channels=9,
            out_channels=4,
            num_attention_heads=2,
            attention_head_dim=16,
            num_layers=2,
            num_refiner_layers=1,
            text_embed_dim=32,
            text_embed_2_dim=16,
            image_embed_dim=16,
            rope_axes_dim=(4, 6, 6),
            target_size=64,
        ),
        "vae": AutoencoderKLHunyuanVideo15(
            latent_channels=4, block_out_channels=(32, 32, 32, 32, 32), layers_per_block=1
        ),
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=5.0),
        "guider": ClassifierFreeGuidance(guidance_scale=1.0),
    }
    stir(parts["transformer"])
    return save(folder, "HunyuanVideo15ImageToVideoPipeline", parts)


BUILDERS = {
    "wan-frame": lambda folder: build_wan(folder, "frame"),
    "wan-channels": lambda folder: build_wan(folder, "channels"),
    "wan-clip": lambda folder: build_wan(folder, "clip"),
    "wan-held": lambda folder: build_wan(folder, "held"),
    "ltx2": lambda folder: build_ltx2(folder, "2.0"),
    "ltx2.3": lambda folder: build_ltx2(folder, "2.3"),
    "hunyuan15": build_hunyuan15,
}
SHAPES = {
    "wan-frame": {"frames": 4, "height": 16, "width": 32},
    "wan": {"frames": 9, "height": 32, "width": 48},
    "ltx2": {"frames": 17, "height": 64, "width": 96},
    "hunyuan15": {"frames": 5, "height": 64, "width": 64},
}


def options_for(name: str, folder: Path, **changes) -> dict:
    """Options, as a recipe gives them, for the tiny checkpoint `name` in `folder`."""
    kind = name.split("-")[0].split(".")[0]
    tokens = {"wan": 40, "ltx2": 64, "hunyuan15": 512}[kind] if name != "wan-clip" else 512
    shape = SHAPES.get(name) or SHAPES[kind]
    common = {"dtype": "float32", "device": "cpu", "max_prompt_tokens": tokens, "fps": 24.0, "vae_batch": 2}
    return {"kind": kind, "path": str(folder), **common, **shape, **changes}
