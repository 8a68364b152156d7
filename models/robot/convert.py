"""Makes the folder of a robot world model from Ctrl-World's released checkpoint or a Stable Video Diffusion folder.

    python -m models.robot.convert checkpoint-10000.pt OUT [--clip clip-vit-base-patch32] [--statistics stat.json]
    python -m models.robot.convert stable-video-diffusion-img2vid OUT
    python -m models.robot.convert --back FOLDER OUT.pt [--frozen checkpoint-10000.pt]

The second starts the action encoder anew, to be trained. The third writes a state dict for Ctrl-World's own scripts:
they load it strictly, so `--frozen` names a released file from which what we do not keep is copied (the CLIP image
encoder, which is never asked).
"""

import argparse
import sys
from pathlib import Path

from models.robot.options import RobotFile
from models.robot.released import from_pt, from_svd, to_pt
from storage.json_files import read_object


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], prog="python -m models.robot.convert")
    parser.add_argument(
        "source", type=Path, help="checkpoint-*.pt, a Stable Video Diffusion folder, or with --back ours"
    )
    parser.add_argument("out", type=Path, help="folder to write; with --back a .pt file")
    parser.add_argument("--clip", type=Path, help="folder of CLIP ViT-B/32: the model is then told instructions")
    parser.add_argument("--statistics", type=Path, help="statistics of the states, kept as statistics.json")
    parser.add_argument("--back", action="store_true", help="write a state dict for Ctrl-World's own scripts")
    parser.add_argument("--frozen", type=Path, help="with --back: the released .pt that gives the other tensors")
    given = parser.parse_args(arguments)
    try:
        if given.back:
            made = to_pt(given.source, given.out, given.frozen)
        else:
            statistics = read_object(given.statistics) if given.statistics else None
            if given.source.is_dir():
                made = from_svd(given.source, given.out, RobotFile(base=given.source.name), statistics)
            else:
                made = from_pt(given.source, given.out, clip=given.clip, statistics=statistics)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
