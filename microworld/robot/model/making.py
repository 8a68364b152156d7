"""The base from its stages: each is made once, then the checkpoint with what base.json says of it."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from microworld.robot.model.data import draw
from microworld.robot.model.encoding import encode_all
from microworld.robot.model.options import OF_EPISODES, OF_VAE, OF_WORLD, RobotBaseOptions
from microworld.robot.model.parts import DECODED, make_network, robot_file
from microworld.robot.model.score import score
from microworld.robot.model.vae_training import fit_vae
from microworld.robot.model.world_training import fit_world
from models.robot.export import write_robot_model
from storage.files import sha256_file
from storage.folders import building
from storage.json_files import read_object

LAST = 0.2  # of the training, over which the validation loss must improve by less than SETTLED
SETTLED = 0.01


def pretrain(options: RobotBaseOptions) -> dict:
    """Makes the model, writes it to `options.out` when it is whole, and returns what base.json says."""
    work = Path(options.work)
    data = work / f"episodes-{options.key(OF_EPISODES)}"
    vae, encoded = (work / f"{stage}-{options.key(OF_VAE)}" for stage in ("vae", "latents"))
    world = work / f"world-{options.key(OF_WORLD)}"
    draw(data, {"train": options.episodes, "val": options.val}, options.seed, options.processes)
    fit_vae(options, data, vae)
    encode_all(options, data, vae, encoded)
    fit_world(options, data, vae, encoded, world)
    with building(Path(options.out)) as folder:
        write(folder, data, vae, world)
        facts = {
            "options": options.model_dump(exclude={"out", "work", "vae_from", "world_from"}),
            "sha256": digests(folder),
            "decode_chunk": DECODED,
            "vae": read_object(vae / "vae.json"),
            "settled": settled(read_object(world / "curve.json")["curve"]),
            "world": read_object(world / "curve.json"),
            "scores": score(folder, data, encoded, options),
        }
        (folder / "curve.svg").write_text(picture(facts["world"]["curve"]))
        (folder / "base.json").write_text(json.dumps(facts, indent=1) + "\n")
    return facts


def write(folder: Path, data: Path, vae: Path, world: Path) -> None:
    """The checkpoint, in half precision."""
    from safetensors.torch import load_file

    state = load_file(world / "model.safetensors")
    write_robot_model(
        folder, make_network(0), vae, robot_file(), state=state, statistics=read_object(data / "statistics.json")
    )
    (folder / "vae" / "vae.json").unlink()


def digests(folder: Path) -> dict[str, str]:
    """sha256 of each file of a checkpoint but those that tell about it, by path."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    names = {file.relative_to(folder).as_posix(): file for file in files}
    return {name: sha256_file(file) for name, file in names.items() if name not in ("base.json", "curve.svg")}


def settled(curve: list[Mapping]) -> dict:
    """How much the validation loss improved over the last fifth of the training, as a share of it."""
    end = curve[-1]["step"]
    before = max((point for point in curve if point["step"] <= (1 - LAST) * end), key=lambda point: point["step"])
    share = 1 - curve[-1]["val"] / before["val"]
    return {"improved_over_last_fifth": round(share, 5), "settled": share < SETTLED}


def picture(curve: list[Mapping], width: int = 480, height: int = 240) -> str:
    """The curves of training and validation loss as SVG, both axes logarithmic where it helps: loss only."""
    steps, values = [p["step"] for p in curve], [[p[name] for p in curve] for name in ("train", "val")]
    low, high = (np.log(f([v for one in values for v in one])) for f in (min, max))
    lines = []
    for name, one, colour in zip(("training", "validation"), values, ("#9aa4b2", "#1f5fbf"), strict=True):
        points = " ".join(
            f"{50 + (width - 60) * s / steps[-1]:.1f},{10 + (height - 40) * (high - np.log(v)) / (high - low):.1f}"
            for s, v in zip(steps, one, strict=True)
        )
        lines.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2">'
            f"<title>{name}</title></polyline>"
        )
    words = [
        (50, height - 12, "step 0"),
        (width - 80, height - 12, f"step {steps[-1]}"),
        (4, 18, f"{np.exp(high):.3f}"),
        (4, height - 30, f"{np.exp(low):.3f}"),
        (width - 200, 20, "loss: grey training, blue validation"),
    ]
    texts = "".join(f'<text x="{x}" y="{y}" font-size="11" font-family="sans-serif">{t}</text>' for x, y, t in words)
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">{"".join(lines)}{texts}</svg>\n'
