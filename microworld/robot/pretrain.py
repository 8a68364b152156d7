"""Trains the robot microworld's base model from nothing; the one in microworld/robot/checkpoint ships with the project.

    python -m microworld.robot.pretrain --config config.yaml     (options: model/options.py; {} for the defaults)

Episodes, the VAE, their latents, and teacher forcing of Ctrl-World's network, tiny. Each finished stage stays in `work`
and is not repeated. It ends with scores on the val split and base.json: the sha256 of each file, the curve, the scores.
The shipped base never changes: what post-training gains is measured against it.
"""

import argparse
import json
import sys
from pathlib import Path

import torch

from microworld.robot.model.making import pretrain
from microworld.robot.model.options import RobotBaseOptions
from storage.options import InvalidOptions, read_options


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, help="options (YAML); {} for the defaults")
    given = parser.parse_args(arguments)
    try:
        options = read_options(given.config, RobotBaseOptions, "the options of a checkpoint")
    except InvalidOptions as error:
        print(error, file=sys.stderr)
        return 2
    torch.set_num_threads(1)  # many small operations
    facts = pretrain(options)
    print(json.dumps({name: facts[name] for name in ("settled", "scores")}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
