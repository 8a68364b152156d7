"""The pipelines of diffusers, alone, guidance off: what the adapters are held against."""

import torch
from PIL import Image

STEPS = 3


def run(name: str, folder, shape, tokens: int, image, prompt: str, seed: int, sigmas=None):
    """One video of `name`'s own pipeline: (latents [1, ...], audio latents or None, video float [T, H, W, 3])."""
    image = Image.fromarray(image.numpy())
    pipeline = load(name, folder)
    pipeline.set_progress_bar_config(disable=True)
    call = {"wan": _wan, "ltx2": _ltx2, "hunyuan15": _hunyuan15}[name.split("-")[0].split(".")[0]]
    results = []
    for output_type in ("latent", "np"):
        generator = [torch.Generator().manual_seed(seed)]
        results.append(call(name, pipeline, shape, tokens, image, [prompt], generator, output_type, sigmas))
    (latents, audio), (video, _) = results
    return latents, audio, torch.from_numpy(video[0])


def load(name: str, folder):
    from diffusers import HunyuanVideo15ImageToVideoPipeline, LTX2ImageToVideoPipeline, WanImageToVideoPipeline

    from models.video.frame_vae import FrameVAE

    if name == "wan-frame":
        vae = FrameVAE.from_pretrained(folder / "vae")
        return WanImageToVideoPipeline.from_pretrained(folder, vae=vae)
    if name.startswith("wan"):
        return WanImageToVideoPipeline.from_pretrained(folder)
    if name.startswith("ltx2"):
        return LTX2ImageToVideoPipeline.from_pretrained(folder)
    return HunyuanVideo15ImageToVideoPipeline.from_pretrained(folder)


def _wan(name, pipeline, shape, tokens, image, prompt, generator, output_type, sigmas):
    # The pipeline rounds frames to a multiple of the VAE's factor plus 1, also when the factor is 1.
    frames = shape.frames - 1 if name == "wan-frame" else shape.frames
    video = pipeline(
        image=image,
        prompt=prompt,
        num_frames=frames,
        height=shape.height,
        width=shape.width,
        num_inference_steps=STEPS,
        guidance_scale=1.0,
        max_sequence_length=tokens,
        generator=generator,
        output_type=output_type,
    ).frames
    return video, None


def _ltx2(name, pipeline, shape, tokens, image, prompt, generator, output_type, sigmas):
    from diffusers import FlowMatchEulerDiscreteScheduler

    if sigmas is not None:  # the distilled levels are used as they are
        config = pipeline.scheduler.config
        plain = FlowMatchEulerDiscreteScheduler.from_config(config, use_dynamic_shifting=False, shift_terminal=None)
        pipeline.scheduler = plain
    off = {"guidance_scale": 1.0, "stg_scale": 0.0, "modality_scale": 1.0, "guidance_rescale": 0.0}
    return pipeline(
        image=image,
        prompt=prompt,
        num_frames=shape.frames,
        height=shape.height,
        width=shape.width,
        frame_rate=shape.fps,
        num_inference_steps=STEPS if sigmas is None else len(sigmas),
        sigmas=sigmas,
        **off,
        **{f"audio_{option}": value for option, value in off.items()},
        spatio_temporal_guidance_blocks=None,
        use_cross_timestep=name == "ltx2.3",
        max_sequence_length=tokens,
        generator=generator,
        output_type=output_type,
        return_dict=False,
    )


def _hunyuan15(name, pipeline, shape, tokens, image, prompt, generator, output_type, sigmas):
    pipeline.tokenizer_max_length = tokens
    video = pipeline(
        image=image,
        prompt=prompt,
        num_frames=shape.frames,
        num_inference_steps=STEPS,
        generator=generator,
        output_type=output_type,
    ).frames
    return video, None
