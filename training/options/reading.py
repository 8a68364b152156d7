"""The options of a training run in a file, of videos or of robots: their method tells which."""

from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from storage import options
from storage.strict_yaml import read_yaml
from training.options import TrainOptions
from training.options.methods import RobotMethod
from training.options.robots import RobotTrainOptions


def read_options(path: Path) -> TrainOptions | RobotTrainOptions:
    """The options in a YAML or JSON file. Raises InvalidOptions, as storage.options.read_options."""
    try:
        told = read_yaml(path)
    except (OSError, ValueError):
        told = None  # told below, in the words of whoever reads options
    robots = isinstance(told, Mapping) and told.get("method") in get_args(RobotMethod)
    return options.read_options(path, RobotTrainOptions if robots else TrainOptions, "training options")
