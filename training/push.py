"""Puts a trained Executor on the Hub: weights, model card and scores, in one commit.

    HF_TOKEN=... python -m training.push data/my_videos/training/wmsd/final your-name/your-executor

The repository is made where there is none, private unless --public is given. The token is read from the environment
variable HF_TOKEN and nowhere else.
"""

import argparse
import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder final/ of a training run")
    parser.add_argument("repository", help="your-name/your-executor")
    parser.add_argument("--public", action="store_true", help="make a new repository public (default: private)")
    given = parser.parse_args(arguments)
    from storage.hub import PushFailed
    from training.policies.export import push

    try:
        print(push(given.folder, given.repository, private=not given.public))
    except (PushFailed, ValueError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
