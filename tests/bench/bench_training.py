"""What a training step costs beside its bare model calls, and beside the loop of released scripts.

    .venv/bin/python tests/bench/bench_training.py [--quick]

Real classes with random weights, one thread, a judge that answers at once. Seconds are of this process's CPU, and all
variants are timed in turn within each round, so that a busy machine burdens all; figures are medians over rounds.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import process_time as seconds_now

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent)]

import torch  # noqa: E402
from machine import machine  # noqa: E402
from released_loop import released_update  # noqa: E402

from models.video.build_video_model import build_video_model  # noqa: E402
from models.video.frame_vae import FrameVAE  # noqa: E402
from models.video.options import VideoModelOptions  # noqa: E402
from models.video.protocol import VideoShape  # noqa: E402
from models.video.wan.adapter import Wan  # noqa: E402
from tests.models.video import tiny_video  # noqa: E402
from tests.training import rig  # noqa: E402

MODELS = ("microworld", "ltx2")
PHASES = ("rollout", "teacher", "losses")  # and the rest: conditions, waiting for the judge, rewards, the optimizer


def build(name: str, folder: Path):
    """The microworld's model at its shipped size, or a tiny LTX-2."""
    if name == "microworld":
        from microworld.model.parts import FRAMES, MAX_TOKENS, SIZE, make_parts

        parts = make_parts()
        parts["vae"] = FrameVAE(z_dim=16, latents_mean=[0.0] * 16, latents_std=[1.0] * 16)
        for part in ("transformer", "vae", "text_encoder"):
            parts[part].eval().requires_grad_(False)
        shape = VideoShape(FRAMES, SIZE, SIZE, 4.0)
        return Wan(parts, shape, "wan:bench", torch.device("cpu"), MAX_TOKENS, vae_batch=12)
    return build_video_model(VideoModelOptions(**tiny_video.options_for(name, tiny_video.BUILDERS[name](folder))))


def options(quick: bool, **given):
    size = {"tasks": 2, "group": 3 if quick else 12, "steps": 8, "batch": 12}
    blocks = {"lora": {}, "rollout": size, "distill": {}, "objective": {"kind": "awm"}, "memory": {"batch": 48}}
    return rig.options(**blocks | given)


class Recorder:
    """Every call of the transformer and of the decoder during one step, to be made again alone."""

    def __init__(self, trainer):
        self.trainer, self.calls, self.decoded = trainer, [], []

    def record(self) -> None:
        trainer = self.trainer
        transformer, decode = trainer.model.transformer, trainer.model.decode

        def note(_, args, kwargs):
            self.calls.append((trainer.policies._active, torch.is_grad_enabled(), args, kwargs))

        hook = transformer.register_forward_pre_hook(note, with_kwargs=True)
        trainer.model.decode = lambda x: (self.decoded.append(x), decode(x))[1]
        trainer.train_step(1)
        hook.remove()
        del trainer.model.decode

    def replay(self) -> float:
        """Seconds of all of them: forwards, and a backward from each call with gradients, nothing between."""
        trainer, spent = self.trainer, 0.0
        for policy, grad, args, kwargs in self.calls:
            with torch.set_grad_enabled(grad), trainer.policies.use(policy):
                start = seconds_now()
                out = trainer.model.transformer(*args, **kwargs)
                spent += seconds_now() - start
                if grad:
                    loss = out[0].float().square().mean()
                    start = seconds_now()
                    loss.backward()
                    spent += seconds_now() - start
        start = seconds_now()
        for x in self.decoded:
            trainer.model.decode(x)
        return spent + seconds_now() - start


def step_seconds(trainer, number: int, update=None) -> tuple[float, dict[str, float]]:
    """One training step, with another `update` in place of the trainer's where given; and its phases."""
    method, spent = trainer.method, {}

    def timed(name, function):
        def call(*args, **kwargs):
            start = seconds_now()
            result = function(*args, **kwargs)
            spent[name] = spent.get(name, 0.0) + seconds_now() - start
            return result

        return call

    method.rolled_out = timed("rollout", method.rolled_out)
    method.taught = timed("teacher", method.taught)
    method.gradients = timed("losses", update or method.gradients)
    start = seconds_now()
    trainer.train_step(number)
    whole = seconds_now() - start
    del method.rolled_out, method.taught, method.gradients
    return whole, spent


def bare_calls(repeats: int, quick: bool) -> None:
    print(
        "| model | method | step, ms | bare calls, ms | step / calls (wanted: at most 1.15) | "
        + " | ".join(f"{phase} %" for phase in (*PHASES, "rest"))
        + " |"
    )
    print("|---|---|---:|---:|---:|" + "---:|" * (len(PHASES) + 1))
    for name in MODELS:
        for label, given in (("wmsd", {}), ("rl_only", {"method": "rl_only"})):
            with tempfile.TemporaryDirectory() as root:
                trainer = rig.trainer(build(name, Path(root) / name), options(quick, **given))
            recorder = Recorder(trainer)
            recorder.record()
            steps, alone, shares = [], [], []
            for number in range(repeats + 1):
                whole, spent = step_seconds(trainer, 2 + number)
                bare = recorder.replay()
                if number:  # the first warms up
                    steps.append(whole)
                    alone.append(bare)
                    shares.append([spent.get(phase, 0.0) / whole for phase in PHASES])
            ratio = median(a / b for a, b in zip(steps, alone, strict=True))
            parts = [median(column) for column in zip(*shares, strict=True)]
            parts.append(1 - sum(parts))
            print(
                f"| {name} | {label} | {median(steps) * 1e3:.0f} | {median(alone) * 1e3:.0f} | {ratio:.3f} | "
                + " | ".join(f"{100 * part:.1f}" for part in parts)
                + " |",
                flush=True,
            )


def against_released(repeats: int, quick: bool) -> None:
    print("\n| model | loss | released loop, step ms | ours, step ms | step ratio | update ratio | gradients apart |")
    print("|---|---|---:|---:|---:|---:|---:|")
    losses = {
        "AWM": {"method": "rl_only"},
        "DiffusionNFT": {"method": "rl_only", "objective": {"kind": "nft"}},
        "AWM and anchor (wmsd)": {},
    }
    for name in MODELS:
        for label, given in losses.items():
            with tempfile.TemporaryDirectory() as root:
                trainer = rig.trainer(build(name, Path(root) / name), options(quick, **given))
            theirs, gradients = released_update(trainer), []
            ours, loop, ours_update, loop_update = [], [], [], []
            trained = trainer.state.learners["executor"]
            moved = [
                *trainer.policies.parameters("executor"),
                *(t for s in trained.shadows.values() for t in s.tensors),
            ]
            held = [tensor.detach().clone() for tensor in moved]
            for number in range(repeats + 1):
                for update, whole, part in ((None, ours, ours_update), (theirs, loop, loop_update)):
                    with torch.no_grad():
                        for tensor, value in zip(moved, held, strict=True):
                            tensor.copy_(value)
                    trainer.parts.judge.asked = number
                    seconds, spent = step_seconds(trainer, 1 + number, update)
                    whole.append(seconds)
                    part.append(spent["losses"])
                    gradients.append(torch.cat([p.grad.flatten() for p in trainer.policies.parameters("executor")]))
            apart = max(float((a - b).norm() / b.norm()) for a, b in zip(gradients[::2], gradients[1::2], strict=True))
            ratio = median(b / a for a, b in zip(ours[1:], loop[1:], strict=True))
            update_ratio = median(b / a for a, b in zip(ours_update[1:], loop_update[1:], strict=True))
            print(
                f"| {name} | {label} | {median(loop[1:]) * 1e3:.0f} | {median(ours[1:]) * 1e3:.0f} | {ratio:.2f} | "
                f"{update_ratio:.2f} | {apart:.0e} |",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rollouts")
    quick = parser.parse_args().quick
    repeats = 5 if quick else 7
    torch.set_num_threads(1)
    size = options(quick).rollout
    print(
        f"{machine('torch', 'diffusers', 'peft')}; one thread, CPU time; {size.tasks} tasks x {size.group} rollouts, "
        f"{size.steps} sampler steps; median of {repeats} steps\n"
    )
    bare_calls(repeats, quick)
    against_released(repeats, quick)


if __name__ == "__main__":
    main()
