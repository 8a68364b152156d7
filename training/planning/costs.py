"""FLOPs and bytes of a training step in closed form, from the shapes of a transformer's layers and the options."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from training.methods.calls import calls_of_run, held_out_videos, judged_videos, requests, trajectory_steps
from training.methods.rounds import Round, anchors_on_trajectory, round_of, trains_demonstrator
from training.options import TrainOptions
from training.planning.published import GPU, VAE

BLOCK = re.compile(r"(?:^|\.)(?:blocks|transformer_blocks)\.\d+\.")
FLASH_BACKWARD = 2.5  # of an attention's forward: two products become five, one of them a recomputation
UPDATE_MFU, DECODE_MFU = 0.45, 0.15
RESERVE, CONTEXT = 0.06, 1.5e9  # share lost to fragments, and bytes of the CUDA context and libraries
TRAINED_BYTES = 16  # float32: the tensor, its gradient, AdamW's two moments


@dataclass(frozen=True)
class Model:
    """A denoiser as a planner sees it: see models.video.build.describe; `layers`: linear layers (in, out) by name."""

    kind: str
    parameters: int
    hidden: int
    ffn: int
    depth: int
    tokens: int
    audio_tokens: int
    context_tokens: int
    joint_context: bool
    state_size: int
    pixels: int  # of a whole video: frames x height x width
    layers: Mapping[str, tuple[int, int]]
    vae: VAE
    source: str


@dataclass(frozen=True)
class Flops:
    """Of one state's forward pass: matrix products with weights, and attention."""

    linear: float
    attention: float

    @property
    def forward(self) -> float:
        return self.linear + self.attention


def rows_of(model: Model, name: str) -> int:
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


def forward_flops(model: Model) -> Flops:
    """Of one state. Embeddings, refiners, norms and the output layer are left out: about 1 % for large models."""
    linear = attention = 0.0
    for name, (wide, out) in model.layers.items():
        if not BLOCK.search(name):
            continue
        linear += 2.0 * wide * out * rows_of(model, name)
        if name.endswith(".to_q"):
            attention += 4.0 * out * pairs_of(model, BLOCK.split(name, 1)[-1])
    return Flops(linear, attention)


def pairs_of(model: Model, layer: str) -> int:
    """Queries times keys of one attention."""
    video, audio, context = model.tokens, model.audio_tokens, model.context_tokens
    if layer.startswith(("audio_to_video_attn", "video_to_audio_attn")):
        return video * audio
    own = audio if layer.startswith("audio_") else video
    if "attn2" in layer:
        return own * context
    return (own + context) ** 2 if model.joint_context else own**2


def lora_parameters(layers: Mapping[str, tuple[int, int]], targets: tuple[str, ...], rank: int) -> int:
    """Exactly what peft adds: rank x (in + out) for each linear layer that a target names, whole or by its end."""
    return sum(rank * (wide + out) for name, (wide, out) in layers.items() if matches(name, targets))


def matches(name: str, targets: tuple[str, ...]) -> bool:
    return any(name == target or name.endswith("." + target) for target in targets)


def lora_flops(model: Model, targets: tuple[str, ...], rank: int) -> float:
    """What the adapter adds to one forward pass."""
    return sum(
        2.0 * rank * (wide + out) * rows_of(model, name)
        for name, (wide, out) in model.layers.items()
        if matches(name, targets)
    )


def block_activations(model: Model, targets: tuple[str, ...], element: int) -> float:
    """Bytes that one block keeps for the backward pass of one state; docs/training.md tells what is counted."""
    rows = model.tokens + (model.context_tokens if model.joint_context else 0)
    crossing = 0 if model.joint_context else 4
    base = element * rows * ((8 + crossing + 3) * model.hidden + 2 * model.ffn) + 4 * rows * 3 * model.hidden
    if element == 4:
        return base  # nothing to cast
    adapted = sum(4.0 * wide * rows_of(model, n) for n, (wide, _) in model.layers.items() if matches(n, targets))
    return base + adapted / model.depth


def memory(model: Model, options: TrainOptions, ranks: int, targets: tuple[str, ...]) -> dict[str, float]:
    """Bytes of one process by what they are for; "peak" sums what is held and the largest of what passes.

    Held: weights, VAE, trained tensors, shadows, states, conditions, and a judge in this process. Passing: the update's
    activations, one rollout batch's states and forward pass, one decoded batch.
    """
    element = 2 if options.model.dtype == "bfloat16" else 4
    rounds = {round_of(options, step) for step in range(1, options.run.steps + 1)}
    adapters = 1 + trains_demonstrator(options.method) + (options.method == "dmd")
    trained = lora_parameters(model.layers, targets, options.lora.rank)
    rl = any(part.rl for part in rounds)
    kinds = (options.objective.kind == "nft" and options.objective.old_decay_max > 0) + bool(
        options.regularisers.kl_ema
    )
    videos = options.rollout.tasks * options.rollout.group / ranks
    held = {
        "weights": float(element * model.parameters),
        "vae": model.vae.parameters * model.vae.element_bytes,
        "trained": float(TRAINED_BYTES * trained * adapters),
        "shadows": float(4 * trained * adapters * kinds * rl),
        "states": 4.0 * model.state_size * videos * max(states_held(options, part) for part in rounds),
        "conditions": 2.0 * options.rollout.tasks / ranks * model.context_tokens * model.hidden * element,
        "judge": judge_bytes(options),
    }
    one = block_activations(model, targets, element)
    rows = model.tokens + model.audio_tokens + model.context_tokens * model.joint_context
    depth = 1 if options.memory.checkpointing else model.depth
    boundaries = model.depth * rows * model.hidden * element if options.memory.checkpointing else 0
    # Until a batch is done its own states are there as a list and as a stack, beside those of all rollouts.
    sampled = 2 * max(states_sampled(options, part) for part in rounds)
    forward = rows * (element * (8 * model.hidden + 2 * model.ffn) + 8.0 * model.hidden)
    passing = {
        "activations": options.memory.batch * (depth * one + boundaries),
        "rollout": min(options.rollout.batch, videos) * (forward + 4.0 * model.state_size * sampled),
        "decode": options.model.vae_batch * model.pixels * model.vae.working_bytes,
    }
    sum_held = sum(held.values())
    return {**held, **passing, "peak": (sum_held + max(passing.values())) * (1 + RESERVE) + CONTEXT}


def states_sampled(options: TrainOptions, part: Round) -> int:
    """States and velocities, counted for each rollout, that sampling leaves (float32): all, or the clean one."""
    if part.kind == "sft":
        return 0
    keep = part.distilled or anchors_on_trajectory(part, options) or part.kind == "dmd"
    return 2 * options.rollout.steps + 1 if keep or (part.rl and options.objective.kind == "flow_grpo") else 1


def states_held(options: TrainOptions, part: Round) -> int:
    """States, counted for each rollout, that one process keeps at once (float32)."""
    asked = part.distilled or anchors_on_trajectory(part, options)
    known = 2 * trajectory_steps(options, part) if asked else 0
    matched = 3 * options.objective.timesteps if part.rl and options.objective.kind != "flow_grpo" else 0
    return states_sampled(options, part) + known + matched


def judge_bytes(options: TrainOptions) -> float:
    """Weights of a judge in this process: its size by its name (8B -> 16 GB), without its cache."""
    vlm = options.rewards.judge.vlm
    size = re.search(r"(\d+(?:\.\d+)?)[Bb](?![A-Za-z])", vlm.model)
    return float(size[1]) * 2e9 if vlm.backend in ("transformers", "vllm") and size else 0.0


def compute(model: Model, options: TrainOptions, ranks: int, gpu: GPU, mfu: float, targets) -> dict[str, dict]:
    """FLOPs and hours of one process: {"step": ..., "run": ...} by phase; a step is the run's mean.

    Speeds are `mfu` of the GPU's dense bfloat16 rate (half of it for float32 weights), decoding DECODE_MFU.
    """
    one, extra = forward_flops(model), lora_flops(model, targets, options.lora.rank)
    rate = gpu.flops * mfu * (1.0 if options.model.dtype == "bfloat16" else 0.5)
    again = one.forward + extra if options.memory.checkpointing else 0.0
    backward = one.linear + FLASH_BACKWARD * one.attention + 2 * extra
    run = {"rollout": 0.0, "teacher": 0.0, "update": 0.0, "decode": 0.0}
    for (who, grad), states in calls_of_run(options).items():
        if grad:
            run["update"] += states * (one.forward + extra + backward + again)
        elif who == "rollout":
            run["rollout"] += states * (one.forward + extra)
        elif who == "teacher":
            run["teacher"] += states * one.forward
        else:
            run["update"] += states * (one.forward + (extra if who != "reference" else 0))
    decoding = model.pixels * model.vae.flops
    cycle = [judged_videos(options, step) for step in range(1, options.run.steps + 1)]
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
