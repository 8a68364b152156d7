"""Trains the microworld's model for a step, to try out a change of the trainer. Under a minute on one core.

    python docs/examples/tiny_training.py OUT                               # wmsd, one step
    python docs/examples/tiny_training.py OUT --changes 'method: rl_only'   # any options of docs/options.md, as YAML

It draws a few tasks, encodes them into OUT/conditions, trains in OUT/run, and prints the metrics of the last step.
"""

import argparse
import json
from pathlib import Path

import cv2
import yaml

from evaluation.benchmarks.worldtasks.microworld import read_microworld
from models.video.build_video_model import build_video_model
from models.video.options import VideoModelOptions
from training.conditions.encoding import Pair, write_conditions
from training.loop.session import run
from training.options import TrainOptions
from training.world import World

MODEL = {
    "kind": "wan", "path": "microworld/checkpoint", "frames": 8, "height": 32, "width": 32, "fps": 4.0,
    "dtype": "float32", "device": "cpu", "max_prompt_tokens": 112, "vae_batch": 64,
}  # fmt: skip
SMALL = {
    "lora": {"rank": 4, "alpha": 8.0},
    "rollout": {"tasks": 2, "group": 2, "steps": 4, "batch": 4},
    "distill": {"timesteps": 2},
    "run": {"steps": 1, "checkpoint_every": 1, "grid_every": 0},
    "held_out": {"tasks": 2, "steps": 4},
}


def conditions(out: Path) -> Path:
    """Four tasks to train on and two to hold out, encoded."""
    benchmark = read_microworld(out / "tasks", 6, seed=5, unseen_share=0.0)
    pairs = [
        Pair(one.sample_id, one.image, one.task, one.solution, one.task_type, one.agent_category, one.agent)
        for one in benchmark.samples
    ]

    def picture(image):
        return cv2.cvtColor(cv2.imread(str(benchmark.folder / image)), cv2.COLOR_BGR2RGB)

    model = build_video_model(VideoModelOptions(**MODEL))
    splits = {"train": pairs[:4], "heldout": pairs[4:]}
    write_conditions(model, splits, picture, out / "conditions", dataset_version="example")
    return out / "conditions"


def merged(base: dict, changes: dict) -> dict:
    """`base` with `changes`, block by block; a choice of blocks (`kind`) is replaced whole."""
    blocks = {key: value for key, value in changes.items() if isinstance(value, dict) and "kind" not in value}
    return base | changes | {key: merged(base.get(key, {}), value) for key, value in blocks.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--changes", default="{}", help="options as YAML, e.g. 'rewards: {consistency: 1.0}'")
    given = parser.parse_args()
    fixed = {"model": MODEL, "conditions": str(conditions(given.out)), "output": str(given.out / "run")}
    options = TrainOptions.model_validate(merged(SMALL | fixed, yaml.safe_load(given.changes)))
    run(options, World(), fresh=True)
    last = (given.out / "run" / "metrics.jsonl").read_text().splitlines()[-1]
    print(json.dumps(json.loads(last), indent=1))


if __name__ == "__main__":
    main()
