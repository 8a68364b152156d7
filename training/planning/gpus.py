"""GPUs that a plan can be made for."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class GPU:
    """Dense bfloat16 FLOP/s and bytes, from the vendor's data sheet."""

    name: str
    flops: float
    memory: float
    aliases: tuple[str, ...] = field(default=())


GPUS = (
    GPU("a100", 312e12, 80e9, ("a100-80",)),
    GPU("a100-40", 312e12, 40e9),
    GPU("h100", 989e12, 80e9),
    GPU("h200", 989e12, 141e9),
    GPU("h20", 148e12, 96e9),
    GPU("b200", 2250e12, 180e9),
    GPU("l40s", 362e12, 48e9),
    GPU("a6000", 155e12, 48e9),
    GPU("4090", 165e12, 24e9, ("rtx4090",)),
)


def gpu_named(name: str) -> GPU:
    """Raises ValueError for a GPU that is not in the table, with those that are."""
    for gpu in GPUS:
        if name.lower() in (gpu.name, *gpu.aliases):
            return gpu
    raise ValueError(f"--gpu {name} is not known: choose from {', '.join(gpu.name for gpu in GPUS)}")
