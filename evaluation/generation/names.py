"""Names of video files, in the authors' grammar: `{000010}_{agent}_{task_with_underscores}.mp4`.

For people: nothing is ever read from a name, the manifest has it all. What is no ASCII letter, digit or '-' becomes an
underscore, so that any task gives a name that every file system and URL takes.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence

from evaluation.records import VIDEOS, Sample

MOST_AGENT, MOST_TASK = 40, 100  # characters
BRACKETS = re.compile(r"^\[[^\[\]\n]*\]:\s*")


def video_id(sample_id: str, seed: int) -> str:
    return f"{sample_id}-s{seed}"


def video_paths(samples: Sequence[Sample], seeds: Sequence[int]) -> Iterator[tuple[Sample, int, str]]:
    """(sample, seed, path below the run's folder), in the benchmark's order, the seeds of a sample together.

    The number is the sample's place in the benchmark; with several seeds, `_s{seed}` ends the name.
    """
    for number, sample in enumerate(samples):
        parts = (words(sample.agent, MOST_AGENT), words(BRACKETS.sub("", sample.task), MOST_TASK))
        name = "_".join([f"{number:06d}", *filter(None, parts)])
        for seed in seeds:
            ending = f"_s{seed}" if len(seeds) > 1 else ""
            yield sample, seed, f"{VIDEOS}/{name}{ending}.mp4"


def words(text: str, most: int) -> str:
    """`text` with underscores, at most `most` characters: "Move to the pad." -> "Move_to_the_pad"."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9-]+", "_", plain).strip("_-")[:most].rstrip("_-")
