"""Whether training gives the same numbers in two checkouts of the project, bit for bit.

    python tests/bench/compare_trainings.py BEFORE AFTER [--steps 4] [--only NAME ...] [--at-once 2] [--work FOLDER]

Each variant (a method, an objective, an option) is trained for a few steps by `python -m training.train --config FILE`
in BEFORE, then in AFTER, from the same file and into the same folder. Compared are all rows of the logs, scores.json,
and the bytes of every tensor of the final weights, of the adapters kept along the way and of the checkpoints. Times are
not. A resumed variant is begun in BEFORE and finished in AFTER; it must equal one that BEFORE trained in one go.

The options are those of a finished run of BEFORE (`make run` there, or --config), made small. Give --work to keep what
was trained; with --reuse as well, what BEFORE trained there is not trained again. Exit status 1: something differs.
"""

import argparse
import copy
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from checkouts import check_origin, environment
from run_differences import LOGS, WEIGHTS, Finding, differences, goes_on

USUAL = Path("data", "microworld", "training", "wmsd", "config.yaml")  # in BEFORE: all options of a finished run
MODULE = "training.train"
PATIENCE_S = 1800

SMALL: dict[str, Any] = {
    "method": "wmsd",
    "objective": {"kind": "awm"},
    "lora": {"rank": 8, "alpha": 16.0},
    "rollout": {"tasks": 2, "group": 4, "steps": 8, "batch": 3},
    "distill": {"beta_d": 0.1, "states": "trajectory", "flow_time": True, "timesteps": 2, "period": 2},
    "optimizer": {"lr": 1.5e-3, "warmup": 2, "decay_to": 0.1},
    "memory": {"batch": 5, "checkpointing": False, "compile": False},
    "run": {"checkpoint_every": 2, "keep": 2, "grid_every": 0},
    "held_out": {"tasks": 4, "every": 2, "steps": 4},
}
METHODS = (
    *("wmsd", "off_policy", "on_policy_anchor", "on_policy_full", "rl_only"),
    *("off_policy_teacher_rl", "alternating", "sft", "dmd"),
)
OLD = {"kind": "nft", "old_decay_rate": 0.2, "old_decay_max": 0.5}
GRPO = {"kind": "flow_grpo"}
RENOISED = {"states": "renoised", "flow_time": False}
KL = {"kl_ref": 0.1, "kl_ema": 0.1, "ema_decay": 0.5}
NO_DECAY = {"optimizer": {"decay_to": 1.0}}  # a rate that decays depends on run.steps, which a resumed variant changes
EVERYTHING = {
    "method": "alternating",
    "objective": OLD,
    "rewards": {"normalise": True},
    "regularisers": KL,
}


@dataclass(frozen=True)
class Variant:
    """What is changed of the small options, and how they are trained."""

    changes: Mapping[str, Any]
    processes: int = 1
    resumed: bool = False


VARIANTS: dict[str, Variant] = {
    **{method: Variant({"method": method}) for method in METHODS},
    **{f"awm_{w}": Variant({"objective": {"kind": "awm", "weighting": w}}) for w in ("uniform", "t", "t2", "huber")},
    "awm_ghuber": Variant({"objective": {"kind": "awm", "weighting": "ghuber", "power": 0.5}}),
    "nft": Variant({"objective": {"kind": "nft", "old_decay_max": 0.0}}),
    "nft_old": Variant({"objective": OLD}),
    "nft_old_alternating": Variant({"method": "alternating", "objective": OLD}),
    "flow_grpo": Variant({"objective": GRPO}),
    "flow_grpo_kl": Variant({"objective": GRPO | {"kl": 0.1, "window": [1, 4]}}),
    "flow_grpo_teacher_rl": Variant({"method": "off_policy_teacher_rl", "objective": GRPO}),
    "kl_ref": Variant({"regularisers": {"kl_ref": 0.1}}),
    "kl_ema": Variant({"regularisers": {"kl_ema": 0.1, "ema_decay": 0.5}}),
    "kl_both_nft_old": Variant({"objective": OLD, "regularisers": KL}),
    "kl_both_flow_grpo": Variant({"objective": GRPO, "regularisers": KL}),
    "trajectory": Variant({"distill": {"states": "trajectory", "flow_time": True}}),
    "trajectory_alike": Variant({"distill": {"states": "trajectory", "flow_time": False}}),
    "renoised": Variant({"distill": RENOISED}),
    "renoised_nft_old": Variant({"objective": OLD, "distill": RENOISED}),
    "anchor_off": Variant({"distill": {"beta_d": 0.0}}),
    "normalise": Variant({"rewards": {"normalise": True, "agent": 0.5}}),
    "std_global": Variant({"rewards": {"std_scope": "global", "clip": 1.0, "scale": 2.0}}),
    "judge_noise": Variant({"rewards": {"judge_noise": 1.0}}),
    "judge_flip": Variant({"rewards": {"judge_flip": 0.25}}),
    "checkpointing": Variant({"memory": {"checkpointing": True}}),
    "two_processes": Variant({}, processes=2),
    "two_processes_everything": Variant(EVERYTHING, processes=2),
    "resumed": Variant(NO_DECAY, resumed=True),
    "resumed_dmd": Variant({"method": "dmd", **NO_DECAY}, resumed=True),
    "resumed_sft": Variant({"method": "sft", **NO_DECAY}, resumed=True),
    "resumed_everything": Variant(EVERYTHING | NO_DECAY, resumed=True),
    "resumed_two_processes": Variant(EVERYTHING | NO_DECAY, processes=2, resumed=True),
}


class Refused(RuntimeError):
    """A checkout that does not train the variant; the message is what it said last."""


def merged(options: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`options` with `changes`, block by block; the objective is replaced whole, since its kinds differ in options."""
    found = dict(options)
    for name, value in changes.items():
        inner = isinstance(value, Mapping) and isinstance(found.get(name), Mapping) and name != "objective"
        found[name] = merged(found[name], value) if inner else copy.deepcopy(value)
    return found


def small_options(config: Path, conditions: Path | None, before: Path, steps: int) -> dict[str, Any]:
    """The options of a finished run, made small, with paths that hold in every checkout."""
    options = merged(yaml.safe_load(config.read_text(encoding="utf-8")), SMALL)
    options["conditions"] = str(conditions.resolve() if conditions else (before / options["conditions"]).resolve())
    checkpoint = before / options["model"]["path"]
    if checkpoint.exists():  # else the name of a model on a hub
        options["model"]["path"] = str(checkpoint.resolve())
    return merged(options, {"run": {"steps": steps}})


class Trainings:
    """A variant's runs in both checkouts, in a folder of their own."""

    def __init__(self, name: str, given: argparse.Namespace, options: Mapping[str, Any], work: Path):
        self.variant, self.given, self.folder = VARIANTS[name], given, work / name
        self.output = self.folder / "output"
        self.options = merged(options, self.variant.changes) | {"output": str(self.output)}

    def compare(self) -> Finding:
        """Trains in BEFORE, unless that was done before, and in AFTER; compares what lies in their folders."""
        before, after, half = (self.folder / name for name in ("before", "after", "half.jsonl"))
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in (self.output, after):
            shutil.rmtree(path, ignore_errors=True)
        try:
            self.train_whole(before)
            if self.variant.resumed:
                self.train("half", self.given.before, merged(self.options, {"run": {"steps": self.given.steps // 2}}))
                shutil.copy(self.output / LOGS[0], half)
            self.train("after", self.given.after, self.options)
        except (Refused, subprocess.TimeoutExpired) as error:
            return Finding(f"not trained: {error}")
        self.output.rename(after)
        if self.variant.resumed and not goes_on(half, after / LOGS[0]):
            return Finding("trained anew: AFTER does not go on from the steps that BEFORE has done")
        return differences(before, after)

    def train_whole(self, before: Path) -> None:
        """BEFORE's run, kept in the folder `before` with a note of what it is of."""
        note = self.folder / "before.yaml"
        told = yaml.safe_dump({"checkout": str(self.given.before), "options": self.options}, sort_keys=False)
        if self.given.reuse and before.is_dir() and note.is_file() and note.read_text(encoding="utf-8") == told:
            return
        shutil.rmtree(before, ignore_errors=True)
        self.train("before", self.given.before, self.options)
        self.output.rename(before)
        note.write_text(told, encoding="utf-8")

    def train(self, name: str, checkout: Path, options: Mapping[str, Any]) -> None:
        """Trains as a person would. Raises Refused where that fails."""
        config, log = self.folder / "options.yaml", self.folder / f"{name}.log"
        config.write_text(yaml.safe_dump(options, sort_keys=False, allow_unicode=True), encoding="utf-8")
        count = self.variant.processes
        told = ["--standalone", "--nproc_per_node", str(count), "--shutdown-timeout", "60"]
        launcher = ["-m", "torch.distributed.run", *told] if count > 1 else []
        words = [self.given.python, *launcher, "-m", MODULE, "--config", str(config)]
        with log.open("w", encoding="utf-8") as out:
            heard = {"stdout": out, "stderr": subprocess.STDOUT, "timeout": PATIENCE_S}
            status = subprocess.run(words, cwd=checkout, env=environment(checkout), **heard).returncode
        if status != 0:
            said = " ".join(log.read_text(encoding="utf-8", errors="replace").split())[-400:]
            raise Refused(f"`{name}` ends with status {status}: {said}")


def line_of(found: Finding) -> str:
    if found.differs:
        gap = "" if found.gap is None else f" (max abs difference {found.gap:.3g})"
        return f"differs: {found.differs}{gap}"
    return f"equal ({found.values} values, {found.tensors} tensors{'; ' if found.note else ''}{found.note})"


def warnings_of(work: Path, names: list[str]) -> list[str]:
    """What only AFTER warns of, such as options that it has retired."""
    found: dict[str, set[str]] = {"before": set(), "after": set()}
    for side, lines in found.items():
        for log in (work / name / f"{side}.log" for name in names):
            text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
            lines |= {line.strip() for line in text.splitlines() if re.search("(?i)warn|retired|deprecated", line)}
    return sorted(found["after"] - found["before"])


def twins(work: Path, names: list[str]) -> list[str]:
    """Variants that BEFORE trained to the weights of an earlier one: what they change makes no difference there."""
    first: dict[bytes, str] = {}
    paths = {name: work / name / "before" / WEIGHTS for name in names}
    there = {name: first.setdefault(path.read_bytes(), name) for name, path in paths.items() if path.exists()}
    return [f"{name} = {twin}" for name, twin in there.items() if name != twin]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path, help="checkout that is known to be right")
    parser.add_argument("after", type=Path, help="checkout that is to train alike")
    parser.add_argument("--steps", type=int, default=4, help="training steps of a variant, at least 3")
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), metavar="NAME", help=f"of {', '.join(VARIANTS)}")
    parser.add_argument("--config", type=Path, help=f"all options of a finished run; usually {USUAL} in BEFORE")
    parser.add_argument("--conditions", type=Path, help="folder of encoded conditions; usually those of that run")
    parser.add_argument("--python", default=sys.executable, help="interpreter of both checkouts' environment")
    parser.add_argument("--at-once", type=int, default=1, help="variants that are trained at the same time")
    parser.add_argument("--work", type=Path, help="folder to keep what is trained; usually a temporary one")
    parser.add_argument("--reuse", action="store_true", help="use again what BEFORE trained in --work")
    given = parser.parse_args()
    given.before, given.after = given.before.resolve(), given.after.resolve()
    config = (given.config or given.before / USUAL).resolve()
    if not config.is_file():
        parser.error(f"{config} is not there: `make run` in BEFORE makes it, or name another with --config")
    if given.steps < 3:  # held-out tasks are judged after the second one, if it is not the last
        parser.error(f"--steps {given.steps}: at least 3 are expected")
    for checkout in (given.before, given.after):
        check_origin(checkout, given.python, MODULE)
    options = small_options(config, given.conditions, given.before, given.steps)
    work = (given.work or Path(tempfile.mkdtemp(prefix="trainings-"))).resolve()
    names, wrong = given.only or list(VARIANTS), 0
    with ThreadPoolExecutor(given.at_once) as pool:
        findings = pool.map(lambda name: Trainings(name, given, options, work).compare(), names)
        for name, found in zip(names, findings, strict=True):
            wrong += bool(found.differs)
            print(f"{name}: {line_of(found)}", flush=True)
    for line in warnings_of(work, names):
        print(f"AFTER warns: {line}")
    for line in twins(work, names):
        print(f"The same weights in BEFORE: {line}")
    print(f"{len(names) - wrong} of {len(names)} variants are equal." + (f" What was trained: {work}" if wrong else ""))
    if given.work is None and not wrong:
        shutil.rmtree(work)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
