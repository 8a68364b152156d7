"""Altered copies: which share is found, what is taken for one by mistake, and what it costs.

    python tests/bench/bench_copies.py [--clips FOLDER]

Of drawn scenes, and of 8 frames of every video below FOLDER. A frame counts as found when one of its hashes is within 6
bits of its altered copy's. Mistakes are pairs of frames of different clips.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from machine import machine

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
DISTANCE = 6
FRAMES = 8


def real_frames(folder: Path) -> tuple[list[np.ndarray], list[str]]:
    """The luma of 8 frames of each video, and the name of the video of each."""
    import av

    pictures, clips = [], []
    for path in sorted(folder.rglob("*.mp4")):
        with av.open(str(path)) as container:
            frames = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
        pictures += [frames[int((part + 0.5) * len(frames) / FRAMES)] for part in range(FRAMES)]
        clips += [path.name] * FRAMES  # two films of one start are one scene and have one name
    return pictures, clips


def mistakes(hashes: np.ndarray, clips: list[str]) -> str:
    from curation.assembly.copies import apart

    bits = np.array([apart(one, hashes)[0] for one in hashes])
    names = np.array(clips)
    other = np.triu(names[:, None] != names[None, :], 1)
    return f"{int((bits[other] <= DISTANCE).sum())} of {int(other.sum()):,}"


def main() -> None:
    from curation.assembly.copies import HASHES, apart, find_copies, hashes_of
    from tests.curation.altered import ALIKE, KINDS, jpeg, scene

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, help="folder of videos")
    args = parser.parse_args()
    print(f"Altered copies: {machine('numpy', 'opencv-python-headless', 'scipy')}\n")
    rng = np.random.default_rng(0)
    sets = {"drawn scenes": ([scene(rng) for _ in range(100)], [str(number) for number in range(100)])}
    if args.clips:
        sets["real frames"] = real_frames(args.clips)
    seen = {name: np.array([hashes_of(jpeg(luma)) for luma in pictures]) for name, (pictures, _) in sets.items()}
    print(f"| altered | {' | '.join(f'{name} ({len(seen[name])})' for name in sets)} |\n|---|{'--:|' * len(sets)}")
    for kind, alter in KINDS.items():
        shares = []
        for name, (pictures, _) in sets.items():
            found = [
                apart(hashes_of(jpeg(alter(luma))), own[None])[0][0] <= DISTANCE
                for luma, own in zip(pictures, seen[name], strict=True)
            ]
            shares.append(f"{np.mean(found):.0%}")
        print(f"| {kind} | {' | '.join(shares)} |", flush=True)
    print("\n| pairs of different scenes | taken for copies |\n|---|--:|")
    for name, (_, clips) in sets.items():
        print(f"| {name} | {mistakes(seen[name], clips)} |")
    for name, drawn in ALIKE.items():
        hashes = np.array([hashes_of(jpeg(drawn(rng))) for _ in range(40)])
        print(f"| {name} | {mistakes(hashes, [str(number) for number in range(40)])} |")
    pictures = sets["drawn scenes"][0]
    began = time.perf_counter()
    for luma in pictures:
        hashes_of(luma)
    each = (time.perf_counter() - began) / len(pictures)
    many = rng.integers(0, 2**63, (20_000, HASHES), dtype=np.uint64)
    began = time.perf_counter()
    find_copies(many, np.ones(len(many), bool), np.arange(200), DISTANCE, lambda *found: None)
    print(f"\n{1e3 * each:.2f} ms a picture, {time.perf_counter() - began:.2f} s for 200 images against 20,000.")


if __name__ == "__main__":
    main()
