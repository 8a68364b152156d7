"""FLOPs and hours of a training run in closed form, from the shapes of a transformer's layers and the options."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from models.video.facts import Description
from training.methods.asking import calls_of_run, decoded_videos, held_out_videos, judged_videos, requests
from training.options import TrainOptions
from training.planning.gpus import GPU

BLOCK = re.compile(r"(?:^|\.)(?:blocks|transformer_blocks)\.\d+\.")
FLASH_BACKWARD = 2.5  # of an attention's forward: two products become five, one of them a recomputation
DECODE_MFU = 0.15


@dataclass(frozen=True)
class Flops:
    """Of one state's forward pass: matrix products with weights, and attention."""

    linear: float
    attention: float

    @property
    def forward(self) -> float:
        return self.linear + self.attention


def rows_of(model: Description, name: str) -> int:
    """How many tokens pass through a linear layer of a block, by the names that diffusers gives its streams."""
    layer = BLOCK.split(name, 1)[-1]
    if "norm" in layer or "gate" in layer:
        return 1  # modulation: once a state
    ends_as_key = layer.endswith((".to_k", ".to_v"))
    if layer.startswith("audio_to_video_attn"):
        return model.audio_tokens if ends_as_key else model.tokens
    if layer.startswith("video_to_audio_attn"):
        return model.tokens if ends_as_key else model.audio_tokens
    if "attn2" in layer and ends_as_key:
        return model.context_tokens
    if layer.startswith("audio_"):
        return model.audio_tokens
    if ".add_" in layer or ".to_add_" in layer or "_context" in layer:
        return model.context_tokens
    return model.tokens


def forward_flops(model: Description) -> Flops:
    """Of one state. Embeddings, refiners, norms and the output layer are left out: about 1 % for large models."""
    linear = attention = 0.0
    for name, (wide, out) in model.layers.items():
        if not BLOCK.search(name):
            continue
        linear += 2.0 * wide * out * rows_of(model, name)
        if name.endswith(".to_q"):
            attention += 4.0 * out * pairs_of(model, BLOCK.split(name, 1)[-1])
    return Flops(linear, attention)


def pairs_of(model: Description, layer: str) -> int:
    """Queries times keys of one attention."""
    video, audio, context = model.tokens, model.audio_tokens, model.context_tokens
    if layer.startswith(("audio_to_video_attn", "video_to_audio_attn")):
        return video * audio
    own = audio if layer.startswith("audio_") else video
    if "attn2" in layer:
        return own * context
    return (own + context) ** 2 if model.joint_context else own**2


def matches(name: str, targets: tuple[str, ...]) -> bool:
    return any(name == target or name.endswith("." + target) for target in targets)


def lora_flops(model: Description, targets: tuple[str, ...], rank: int) -> float:
    """What the adapter adds to one forward pass."""
    return sum(
        2.0 * rank * (wide + out) * rows_of(model, name)
        for name, (wide, out) in model.layers.items()
        if matches(name, targets)
    )


def whole_flops(model: Description, names: Sequence[str]) -> float:
    """What the gradients of linear layers that are trained whole add to one backward pass."""
    weights = {name: f"{name}.weight" for name in model.layers}
    named = [n for n, key in weights.items() if any(key == name or key.startswith(name + ".") for name in names)]
    return sum(2.0 * math.prod(model.layers[name]) * rows_of(model, name) for name in named)


def compute(model: Description, options: TrainOptions, ranks: int, gpu: GPU, mfu: float, targets) -> dict[str, dict]:
    """FLOPs and hours of one process: {"step": ..., "run": ...} by phase; a step is the run's mean.

    Speeds are `mfu` of the GPU's dense bfloat16 rate (half of it for float32 weights), decoding DECODE_MFU.
    """
    one, extra = forward_flops(model), lora_flops(model, targets, options.lora.rank)
    rate = gpu.flops * mfu * (1.0 if options.model.dtype == "bfloat16" else 0.5)
    again = one.forward + extra if options.memory.checkpointing else 0.0
    backward = one.linear + FLASH_BACKWARD * one.attention + 2 * extra + whole_flops(model, options.lora.whole)
    run = {"rollout": 0.0, "teacher": 0.0, "update": 0.0, "decode": 0.0}
    for (who, grad), states in calls_of_run(options).items():
        if grad:
            run["update"] += states * (one.forward + extra + backward + again)
        elif who in ("rollout", "prefix"):
            run["rollout"] += states * (one.forward + extra)
        elif who == "teacher":
            run["teacher"] += states * one.forward
        else:
            run["update"] += states * (one.forward + (extra if who != "reference" else 0))
    decoding = model.pixels * model.vae.flops
    cycle = [decoded_videos(options, step) for step in range(1, options.run.steps + 1)]
    run["decode"] = sum(cycle) * decoding
    tested = held_out_videos(options)
    run["held_out"] = tested * (options.held_out.steps * one.forward + decoding)
    found: dict[str, dict] = {"step": {}, "run": {}}
    for phase, flops in run.items():
        share = flops / ranks
        seconds = share / (gpu.flops * DECODE_MFU if phase == "decode" else rate)
        found["run"][phase] = {"flops": share, "hours": seconds / 3600}
        if phase != "held_out":
            steps = options.run.steps
            found["step"][phase] = {"flops": share / steps, "hours": seconds / 3600 / steps}
    for part in found.values():
        part["all"] = {key: sum(phase[key] for phase in part.values()) for key in ("flops", "hours")}
    return found


def judge_load(options: TrainOptions) -> dict[str, int]:
    """Requests to the judge: of a judged step, and of the whole run with its evaluations."""
    judged = [judged_videos(options, step) for step in range(1, options.run.steps + 1)]
    return {
        "step": requests(options, max(judged)),
        "run": requests(options, sum(judged) + held_out_videos(options)),
    }
