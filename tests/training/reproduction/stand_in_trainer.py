"""A stand-in for training.train: logs steps as it does, saves on SIGTERM, and ends as its options' method says.

wmsd finishes; dmd diverges at its third step; sft fails; rl_only hears no signal. `optimizer.lr` is the seconds a step.
"""

import json
import signal
import sys
import time
from pathlib import Path

import yaml


def main(config: Path) -> int:
    options = yaml.safe_load(config.read_text())
    output, method = Path(options["output"]), options["method"]
    asked = []
    signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
    path = output / "metrics.jsonl"
    done = len(path.read_text().splitlines()) if path.exists() else 0
    for step in range(done + 1, options["run"]["steps"] + 1):
        if method == "dmd" and step == 3:
            print(f"Diverged: step {step}: the gradient norm is nan; metrics {{'loss': nan}}", file=sys.stderr)
            return 4
        if method == "sft":
            print("OSError: the disk is full", file=sys.stderr)
            return 1
        time.sleep(options["optimizer"]["lr"])
        with path.open("a") as file:
            file.write(json.dumps({"step": step, "seconds": options["optimizer"]["lr"]}) + "\n")
        if asked and method != "rl_only":
            print(f"asked to end by signal {asked[0]}: saved at step {step}", file=sys.stderr)
            return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
