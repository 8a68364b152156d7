"""What to change in the options where a run does not fit into a GPU."""

from collections.abc import Callable, Mapping
from typing import Any

from models.video.facts import Description
from training.options import TrainOptions
from training.planning.memory import memory

Change = tuple[str, Callable[[TrainOptions], TrainOptions]]


def remedies(options: TrainOptions) -> list[Change]:
    """Settings that lower the peak, those first that change no result."""

    def put(block: str, **values: Any) -> Callable[[TrainOptions], TrainOptions]:
        return lambda o: o.model_copy(update={block: getattr(o, block).model_copy(update=values)})

    found: list[Change] = []
    if not options.memory.checkpointing:
        found.append(
            ("memory.checkpointing: true (one more forward pass a trained state)", put("memory", checkpointing=True))
        )
    if options.memory.batch > 1:
        found.append(("memory.batch: 1", put("memory", batch=1)))
    if options.rollout.batch > 1:
        found.append(("rollout.batch: 1", put("rollout", batch=1)))
    if options.model.vae_batch > 1:
        found.append(("model.vae_batch: 1", put("model", vae_batch=1)))
    if options.model.dtype != "bfloat16":
        found.append(("model.dtype: bfloat16 (conditions are encoded again)", put("model", dtype="bfloat16")))
    if options.lora.rank > 16:
        found.append(("lora.rank: 16", put("lora", rank=16)))
    return found


def what_fits(
    model: Description, options: TrainOptions, ranks: int, limit: float, targets: tuple[str, ...]
) -> tuple[list[str], Mapping[str, float]]:
    """Changes, one after the other, until the peak is below `limit` bytes or none is left; and the memory then."""
    made, now = [], memory(model, options, ranks, targets)
    for text, change in remedies(options):
        if now["peak"] <= limit:
            break
        options = change(options)
        after = memory(model, options, ranks, targets)
        if after["peak"] < now["peak"]:
            made.append(text)
            now = after
    return made, now
