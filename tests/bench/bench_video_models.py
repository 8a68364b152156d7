"""What an adapter adds to its transformer's own forward and backward, on tiny checkpoints of the real classes.

    .venv/bin/python tests/bench/bench_video_models.py [--quick]

The bare call gets tensors prepared outside the clock; both are timed in turns, so that a busy machine burdens both.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent)]

import torch  # noqa: E402
from machine import machine  # noqa: E402

from models.video.build_video_model import build_video_model  # noqa: E402
from models.video.options import VideoModelOptions  # noqa: E402
from tests.models.video import tiny_video  # noqa: E402

NAMES = ("wan-channels", "wan-held", "ltx2", "hunyuan15")
BATCH = 4


def recorded(model, x, sigma, condition) -> dict:
    """The arguments that the adapter gives to its transformer."""
    calls = []
    hook = model.transformer.register_forward_pre_hook(lambda _, __, kwargs: calls.append(kwargs), with_kwargs=True)
    with torch.no_grad():
        model.velocity(x, sigma, condition)
    hook.remove()
    return calls[0]


def seconds(call) -> float:
    start = perf_counter()
    call()
    return perf_counter() - start


def step(*outputs) -> None:
    torch.cat([output.float().flatten() for output in outputs]).pow(2).mean().backward()


def measure(name: str, folder: Path, repeats: int) -> tuple[float, float]:
    """Median seconds of one forward and backward: (the transformer alone, through the adapter)."""
    model = build_video_model(VideoModelOptions(**tiny_video.options_for(name, tiny_video.BUILDERS[name](folder))))
    size = (BATCH, model.shape.height, model.shape.width, 3)
    images = torch.randint(0, 256, size, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    prompts = [tiny_video.PROMPTS[row % 2] for row in range(BATCH)]
    condition = model.encode_image(images) | model.encode_prompt(prompts)
    x, sigma = model.start(model.noise(range(BATCH)), condition), torch.linspace(0.9, 0.1, BATCH)
    kwargs = recorded(model, x, sigma, condition)
    model.transformer.requires_grad_(True)
    alone, adapted = [], []
    for _ in range(repeats + 2):  # the first two warm up
        alone.append(seconds(lambda: step(*model.transformer(**kwargs))))
        adapted.append(seconds(lambda: step(model.velocity(x, sigma, condition))))
    return median(alone[2:]), median(adapted[2:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few repeats")
    repeats = 5 if parser.parse_args().quick else 41
    torch.set_num_threads(1)
    print(f"{machine('torch', 'diffusers')}; one thread; batch {BATCH}; median of {repeats}\n")
    print("| model (tiny) | transformer alone, ms | through the adapter, ms | ratio |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as root:
        for name in NAMES:
            alone, adapted = measure(name, Path(root) / name, repeats)
            print(f"| {name} | {alone * 1e3:.1f} | {adapted * 1e3:.1f} | {adapted / alone:.3f} |")


if __name__ == "__main__":
    main()
