"""How much of the policy gradient is signal, by noise level: the same gradient from two halves of many rollouts.

    .venv/bin/python tests/bench/bench_gradient_signal.py [--quick] [--lora FOLDER]

Groups of rollouts of the shipped microworld model under T are judged; each half of the tasks gives the gradient of
advantage x matching error (AWM, on policy) with respect to a LoRA. The cosine between the halves is about 1 where
signal prevails and about 0 where the gradient is the noise of what was drawn. It decides at which levels to train
(`objective.skip_first`, `objective.fraction`). With --lora: at a trained Executor (its folder final/).
"""

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent)]

import torch  # noqa: E402
from machine import machine  # noqa: E402

from microworld.exact_judge import judge  # noqa: E402
from microworld.held_out import held_out_tasks  # noqa: E402
from microworld.model.parts import FRAMES, SIZE  # noqa: E402
from microworld.model.score import STEPS, options_of  # noqa: E402
from microworld.render import render_batch  # noqa: E402
from models.video.build_video_model import build_video_model  # noqa: E402
from models.video.flow import renoise  # noqa: E402
from models.video.sampling import ode  # noqa: E402
from models.video.seeds import seed_of  # noqa: E402
from training.objectives.matching import matching_error  # noqa: E402
from training.rewards.advantages import group_advantages  # noqa: E402

CHECKPOINT = HERE.parent.parent / "microworld" / "checkpoint"
GROUP, BATCH = 4, 8  # rollouts of a task, tasks at a time


def policy(lora: Path | None):
    """The shipped model with a LoRA (a new one starts at 0), and the LoRA's tensors."""
    from peft import LoraConfig, set_peft_model_state_dict
    from safetensors.torch import load_file

    torch.manual_seed(0)
    model = build_video_model(options_of(CHECKPOINT))
    model.transformer.requires_grad_(False)
    model.transformer.add_adapter(LoraConfig(r=16, lora_alpha=32, target_modules=list(model.lora_targets)))
    if lora:
        tensors = load_file(lora / "pytorch_lora_weights.safetensors")
        state = {name.removeprefix("transformer."): value for name, value in tensors.items()}
        set_peft_model_state_dict(model.transformer, state)
    return model, [p for p in model.transformer.parameters() if p.requires_grad]


@torch.no_grad()
def rollouts(model, count: int) -> list[tuple]:
    """(first task's number, clean latents, conditions, task log-odds [B]) by batch of whole groups, `count` tasks."""
    held, sigmas, batches = held_out_tasks(count, 3, 0.0), model.sigmas(STEPS), []
    scenes, programs = [one.scene for one in held], [one.task.program for one in held]
    first = torch.from_numpy(render_batch(scenes, programs, FRAMES, SIZE)[:, 0])
    for at in range(0, count, BATCH):
        rows = [i for i in range(at, min(at + BATCH, count)) for _ in range(GROUP)]
        condition = model.encode_image(first[rows]) | model.encode_prompt([held[i].task.text for i in rows])
        start = model.noise([seed_of(0, "signal", i, k) for k, i in enumerate(rows)])
        clean = ode(lambda x, sigma, c=condition: model.velocity(x, sigma, c), start, sigmas).clean
        videos = model.decode(clean).numpy()
        odds = [judge(video, held[i].task.text).task for video, i in zip(videos, rows, strict=True)]
        batches.append((at, clean, condition, torch.tensor(odds, dtype=torch.float64)))
    return batches


def gradient(model, trained, batches: list[tuple], sigma: float) -> torch.Tensor:
    """Of the sum over batches of advantage x matching error at one level, as one vector."""
    for p in trained:
        p.grad = None
    for first, x0, condition, odds in batches:
        groups = torch.arange(len(odds)) // GROUP
        advantage = group_advantages(odds, groups, torch.isfinite(odds)).values
        noise = model.noise([seed_of(1, "signal", first, k, str(sigma)) for k in range(len(odds))])
        level = torch.full((len(odds),), sigma)
        velocity = model.velocity(renoise(x0, noise, level), level, condition)
        (advantage * matching_error(velocity, noise - x0, level)).sum().backward()
    return torch.cat([p.grad.flatten() for p in trained])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--lora", type=Path, help="a trained Executor's final/; without it the base")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model, trained = policy(arguments.lora)
    batches = rollouts(model, 16 if arguments.quick else 96)
    solved = torch.cat([odds for *_, odds in batches]) > 0
    print(f"{machine('torch', 'peft')}\n")
    print(
        f"{len(solved)} rollouts in groups of {GROUP}, Task {float(solved.double().mean()):.3f}, halves of the tasks\n"
    )
    print("| noise level (sampler's step) | cosine of the halves' gradients |\n|---|--:|")
    for step, sigma in enumerate(model.sigmas(STEPS)[:-2].tolist()):
        halves = [gradient(model, trained, batches[half::2], sigma) for half in (0, 1)]
        print(f"| {sigma:.3f} ({step}) | {float(torch.cosine_similarity(*halves, dim=0)):.2f} |", flush=True)


if __name__ == "__main__":
    main()
