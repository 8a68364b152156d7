"""A plan in words and tables."""

from collections.abc import Mapping, Sequence
from typing import Any

from training.planning.flops import DECODE_MFU
from training.planning.memory import CONTEXT, RESERVE

TITLES = {  # of the parts of memory
    "weights": "frozen weights",
    "vae": "VAE",
    "trained": "trained tensors, gradients, optimizer",
    "shadows": "old policy, EMA",
    "states": "rollout states",
    "conditions": "conditions of a step",
    "judge": "judge in this process",
    "activations": "update: activations *",
    "rollout": "rollout: one forward pass *",
    "decode": "decoding (rough) *",
    "peak": "peak",
}


def text(plan: Mapping[str, Any]) -> str:
    """What `python -m training.plan` prints."""
    gpu, model, made = plan["gpu"], plan["model"], plan["compute"]
    lines = [
        f"{plan['recipe']}: method {plan['method']}, {plan['steps']} steps of {plan['videos_a_step']} videos, "
        f"{plan['processes']} x {gpu['name']}",
        f"model: {model['parameters'] / 1e9:.3g} B parameters, {model['tokens']:,} tokens a video; {model['source']}",
        f"LoRA: {plan['lora_parameters'] / 1e6:.4g} M trained parameters",
        *([f"trained whole: {plan['whole_parameters'] / 1e6:.4g} M parameters"] if plan["whole_parameters"] else []),
    ]
    if plan["recipe_processes"] != plan["processes"]:
        lines.append(f"note: the recipe starts {plan['recipe_processes']} processes: set `processes` to your GPUs")
    rows = [(TITLES[name], f"{size / 1e9:.2f}") for name, size in plan["memory"].items() if size or name == "peak"]
    lines += ["", *columns(("memory of one process", "GB"), rows), "* never at once: only the largest counts", ""]
    room = f"{gpu['bytes'] / 1e9:.0f} GB of one {gpu['name']}"
    if plan["fits"]:
        lines.append(f"fits into {room}")
    else:
        lines.append(f"DOES NOT FIT into {room}")
        lines += [f"  set {change}" for change in plan["changes"]]
        enough = plan["peak_after"] <= gpu["bytes"]
        lines.append(
            f"  then {plan['peak_after'] / 1e9:.2f} GB: "
            + ("fits" if enough else "still too much. Use fewer frames or pixels, or a GPU with more memory")
        )
    phases = [phase for phase in made["run"] if made["run"][phase]["flops"]]
    table = []
    for phase in phases:
        step, run = made["step"].get(phase), made["run"][phase]
        of_step = (f"{step['flops']:.3g}", f"{step['hours'] * 60:.3g}") if step else ("", "")
        table.append((phase.replace("_", "-"), *of_step, f"{run['flops']:.3g}", f"{run['hours']:.3g}"))
    head = ("one process", "FLOPs a step", "minutes a step", "FLOPs a run", "hours a run")
    total = made["run"]["all"]["hours"] * plan["processes"]
    lines += ["", *columns(head, table), f"GPU-hours of the run: {total:.4g}, not counting the judge's GPUs"]
    calls = [(who, f"{n:,}", f"{plan['calls']['run'].get(who, 0):,}") for who, n in plan["calls"]["step"].items()]
    calls += [(who, "0", f"{n:,}") for who, n in plan["calls"]["run"].items() if who not in plan["calls"]["step"]]
    requests = plan["requests"]
    calls.append(("judge requests", f"{requests['step']:,}", f"{requests['run']:,}"))
    lines += ["", *columns(("model calls of all processes (states)", "first step", "run"), calls)]
    lines += ["", *assumptions(plan)]
    return "\n".join(lines)


def assumptions(plan: Mapping[str, Any]) -> list[str]:
    gpu = plan["gpu"]
    return [
        "Assumed:",
        f"- {gpu['mfu']:.0%} of {gpu['flops'] / 1e12:.0f} TFLOP/s (dense bfloat16; half of it for float32) in the "
        f"denoiser, {DECODE_MFU:.0%} in the VAE",
        "- the frozen base's backward pass costs its forward pass once, attention's 2.5 times; flash attention",
        f"- {RESERVE:.0%} of memory lost to fragments, {CONTEXT / 1e9:.1f} GB for CUDA and libraries",
        "- run calls are of training; judge requests and held-out hours include evaluations; the judge keeps up",
        "- no advantage is 0, no judgement is asked again, no time between GPUs",
    ]


def columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table of plain text: the first column to the left, numbers to the right."""
    table = [head, *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(head))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in table
    ]
    return [lines[0], "-" * len(lines[0]), *lines[1:]]
