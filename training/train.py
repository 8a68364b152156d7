"""Trains one Executor, or one robot world model: on one process, or on several under torchrun.

    python -m training.train --config config.yaml
    python -m torch.distributed.run --standalone --nproc_per_node 2 -m training.train --config config.yaml

The file holds the options of training/options (YAML or JSON). A run whose folder has checkpoints goes on from the
newest one; --fresh begins anew. SIGTERM and SIGINT save and end it (exit status 3); exit status 4: it diverged.
"""

import argparse
import os
import sys
from pathlib import Path

STOPPED, DIVERGED = 3, 4


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, help="options of the run (YAML or JSON)")
    parser.add_argument("--fresh", action="store_true", help="start again, discard the folder's checkpoints")
    given = parser.parse_args(arguments)
    from storage.options import InvalidOptions
    from storage.processes import die_with_parent
    from training.options.reading import read_options

    if "RANK" in os.environ:  # a launcher started us: what it cannot end any more ends by itself, saved
        die_with_parent()

    try:
        options = read_options(given.config)
    except InvalidOptions as error:
        print(error, file=sys.stderr)
        return 2
    import torch

    from models.vlm.failures import TooManyFailures
    from models.vlm.preflight import NotReady
    from training.at_work import FolderTaken, alone
    from training.loop.session import run
    from training.methods.protocol import Diverged
    from training.stopping import Stopped
    from training.world import joined

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    try:
        with joined() as world, alone(Path(options.output), world):
            run(options, world, fresh=given.fresh)
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        return STOPPED
    except (Diverged, FolderTaken, NotReady, OSError, TooManyFailures, ValueError) as error:
        if os.environ.get("WMSD_TRACEBACK"):
            raise
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return DIVERGED if isinstance(error, Diverged) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
