"""Episodes of the robot microworld: python -m microworld.robot.make --out FOLDER --episodes 400 --seed 0."""

import argparse
from pathlib import Path

from microworld.robot.episodes import make_episodes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the episodes; those that are there stay")
    parser.add_argument("--episodes", type=int, default=400, help="episodes of the train split")
    parser.add_argument("--val", type=int, default=40, help="episodes of the val split")
    parser.add_argument("--test", type=int, default=0, help="episodes of the test split")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1, help="processes; the files do not depend on it")
    asked = parser.parse_args()
    counts = {"train": asked.episodes, "val": asked.val, "test": asked.test}
    make_episodes(asked.out, counts, asked.seed, asked.workers)


if __name__ == "__main__":
    main()
