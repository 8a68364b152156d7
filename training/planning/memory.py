"""Bytes of one process of a training run in closed form, from the shapes of a transformer's layers and the options."""

import math
import re
from collections.abc import Mapping, Sequence

from models.video.facts import Description
from training.methods.asking import Asking, asking, shadows
from training.methods.rounds import learners_of, rounds_of
from training.options import TrainOptions
from training.planning.flops import matches, rows_of

RESERVE, CONTEXT = 0.06, 1.5e9  # share lost to fragments, and bytes of the CUDA context and libraries
# float32: the tensor, its gradient, AdamW's two moments; of a matrix under Muon one.
TRAINED_BYTES, MUON_BYTES = 16, 12


def memory(model: Description, options: TrainOptions, ranks: int, targets: tuple[str, ...]) -> dict[str, float]:
    """Bytes of one process by what they are for; "peak" sums what is held and the largest of what passes.

    Held: weights, VAE, trained tensors, shadows, states, conditions, and a judge in this process. Passing: the update's
    activations, one rollout batch's states and forward pass, one decoded batch.
    """
    element = 2 if options.model.dtype == "bfloat16" else 4
    plans = {asking(options, step) for step in range(1, options.run.steps + 1)}
    adapters = len(learners_of(options.method))
    lora = lora_parameters(model.layers, targets, options.lora.rank)
    whole = whole_tensors(model, options.lora.whole)
    trained = lora + sum(map(math.prod, whole))
    matrices = lora + sum(math.prod(shape) for shape in whole if len(shape) == 2)
    saved = (TRAINED_BYTES - MUON_BYTES) * matrices if options.optimizer.kind == "muon" else 0
    # The base keeps its own copy (in `weights`); in another precision, tensors in use are cast to it.
    shown = element * (trained - lora) if element != 4 else 0
    rl = any(part.rl for part in rounds_of(options.method))
    videos = options.rollout.tasks * options.rollout.group / ranks
    held = {
        "weights": float(element * model.parameters),
        "vae": model.vae.parameters * model.vae.element_bytes,
        "trained": float((TRAINED_BYTES * trained - saved) * adapters + shown),
        "shadows": float(4 * trained * adapters * len(shadows(options)) * rl),
        "states": 4.0 * model.state_size * videos * max(states_held(plan) for plan in plans),
        "conditions": 2.0 * options.rollout.tasks / ranks * model.context_tokens * model.hidden * element,
        "judge": judge_bytes(options),
    }
    one = block_activations(model, targets, element)
    rows = model.tokens + model.audio_tokens + model.context_tokens * model.joint_context
    depth = 1 if options.memory.checkpointing else model.depth
    boundaries = model.depth * rows * model.hidden * element if options.memory.checkpointing else 0
    # Until a batch is done its own states are there as a list and as a stack, beside those of all rollouts.
    sampled = 2 * max(states_sampled(plan) for plan in plans)
    forward = rows * (element * (8 * model.hidden + 2 * model.ffn) + 8.0 * model.hidden)
    passing = {
        "activations": options.memory.batch * (depth * one + boundaries),
        "rollout": min(options.rollout.batch, videos) * (forward + 4.0 * model.state_size * sampled),
        "decode": options.model.vae_batch * model.pixels * model.vae.working_bytes,
    }
    sum_held = sum(held.values())
    return {**held, **passing, "peak": (sum_held + max(passing.values())) * (1 + RESERVE) + CONTEXT}


def block_activations(model: Description, targets: tuple[str, ...], element: int) -> float:
    """Bytes that one block keeps for the backward pass of one state; docs/training.md tells what is counted."""
    rows = model.tokens + (model.context_tokens if model.joint_context else 0)
    crossing = 0 if model.joint_context else 4
    base = element * rows * ((8 + crossing + 3) * model.hidden + 2 * model.ffn) + 4 * rows * 3 * model.hidden
    if element == 4:
        return base  # nothing to cast
    adapted = sum(4.0 * wide * rows_of(model, n) for n, (wide, _) in model.layers.items() if matches(n, targets))
    return base + adapted / model.depth


def lora_parameters(layers: Mapping[str, tuple[int, int]], targets: tuple[str, ...], rank: int) -> int:
    """Exactly what peft adds: rank x (in + out) for each linear layer that a target names, whole or by its end."""
    return sum(rank * (wide + out) for name, (wide, out) in layers.items() if matches(name, targets))


def whole_tensors(model: Description, names: Sequence[str]) -> list[tuple[int, ...]]:
    """The shapes of the parameters that `lora.whole` names, each itself or by a layer above it, once each. Raises
    ValueError for a name that is neither."""
    found = set()
    for name in names:
        below = [key for key in model.tensors if key == name or key.startswith(name + ".")]
        if not below:
            raise ValueError(f"lora.whole: {name!r} is no layer and no parameter of this {model.kind} model")
        found |= set(below)
    return [model.tensors[key] for key in sorted(found)]


def states_sampled(plan: Asking) -> int:
    """States and velocities, counted for each rollout, that sampling leaves (float32): all, or the clean one."""
    if plan.kept:
        return 2 * plan.sampled + 1
    return 1 if plan.sampled else 0


def states_held(plan: Asking) -> int:
    """States, counted for each rollout, that one process keeps at once (float32)."""
    matched = 3 * sum(one.states for one in plan.passes if one.where == "levels")
    return states_sampled(plan) + 2 * plan.known + matched


def judge_bytes(options: TrainOptions) -> float:
    """Weights of a judge in this process: its size by its name (8B -> 16 GB), without its cache."""
    vlm = options.rewards.judge.vlm
    size = re.search(r"(\d+(?:\.\d+)?)[Bb](?![A-Za-z])", vlm.model)
    return float(size[1]) * 2e9 if vlm.backend in ("transformers", "vllm") and size else 0.0
