"""The released samples of DreamGen Bench (data set EVAL-175), as samples of this room.

    FOLDER/gr1_object/12_Use the right hand to ... paper bag.png      the first frame
    FOLDER/gr1_object/12_Use the right hand to ... paper bag..txt     the prompt

Names are `{i}_{Instruction}.{png|jpg}` with spaces or underscores between words; most instructions end with a full
stop, so that names end with `..png`. One image lacks that stop while its prompt file has it. A prompt file may be
missing: then the instruction in the name is the prompt.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from evaluation.benchmarks.foreign import read_text
from evaluation.records import Sample
from storage.files import PathOutsideRoot, confined, sha256_file

# Folder -> group, and how many videos a group has. The papers' tables fit 50, 47 and 29 (the text says 30); of RoboCasa
# one source has 48 and 175 - 126 are 49.
GROUPS = {"gr1_object": "object", "gr1_behavior": "behavior", "gr1_env": "environment", "robocasa": "robocasa"}
EXPECTED: Mapping[str, tuple[int, ...]] = {
    "object": (50,),
    "behavior": (47,),
    "environment": (29,),
    "robocasa": (49, 48),
}
TABLE = ("object", "behavior", "environment")
INNER = "dream_gen_benchmark"  # where the authors' commands put the download
IMAGES = {".png", ".jpg", ".jpeg"}
NAME = re.compile(r"(?P<index>\d{1,6})_(?P<instruction>.*\S.*)", re.DOTALL)
MOST_PROMPT = 64 * 2**10  # bytes
MOST_NAME = 255  # bytes of a file's name, of which ".mp4" is a part


def read_benchmark(folder: Path, groups: Iterable[str] = TABLE) -> tuple[str, list[Sample]]:
    """(version, samples) of `groups` in the folder that was downloaded: by group, then by number.

    The version is a hash of images and prompts. A sample's `task` is its prompt file's text, as it stands; where the
    file is missing or empty, the instruction of the image's name. `image` is a path below `folder`. Ids are
    `gr1_object-12`; where a number comes twice in a folder, with a hash of the name behind it.

    Raises FileNotFoundError without a group's folder, ValueError for a name that is not of this form, two images of one
    name, a link out of the folder, a prompt that is no UTF-8 or longer than 64 KiB.
    """
    root = folder / INNER if (folder / INNER).is_dir() else folder
    samples, digest = [], hashlib.sha256()
    for name, group in GROUPS.items():
        if group not in set(groups):
            continue
        for sample, image, prompt in _group(folder, _place(root, name), group):
            samples.append(sample)
            digest.update(f"{sample.image}\0{sha256_file(image)}\0{prompt}\0".encode())
    return f"eval175-{digest.hexdigest()[:16]}", samples


def instruction(sample: Sample) -> str:
    """What the image's name asks for: what the benchmark's own judge is asked about."""
    return _words(Path(sample.image).stem)


def video_name(sample: Sample) -> str:
    """`{folder}/{i}_{Instruction_with_underscores}.mp4`, which the benchmark's own scripts take apart.

    A name over 255 bytes is cut: its instruction is then whole in the manifest only.
    """
    image = Path(sample.image)
    stem = re.sub(r"[\s/\\\x00-\x1f\x7f]", "_", image.stem)
    room = MOST_NAME - len(".mp4")
    cut = stem.encode()[:room].decode(errors="ignore") if len(stem.encode()) > room else stem
    return f"{image.parent.name}/{cut}.mp4"


def count_complaints(samples: Iterable[Sample], groups: Iterable[str]) -> list[str]:
    """What is wrong with the number of samples of each group, [] when all are there."""
    counts = Counter(sample.group for sample in samples)
    return [
        f"{group}: {counts[group]} samples instead of {' or '.join(map(str, EXPECTED[group]))}"
        for group in groups
        if counts[group] not in EXPECTED[group]
    ]


def _place(root: Path, name: str) -> Path:
    """The group's folder. That of RoboCasa may carry more in its name."""
    longer = sorted(path for path in root.glob(f"{name}*") if path.is_dir()) if name == "robocasa" else []
    return longer[0] if len(longer) == 1 else root / name


def _group(folder: Path, place: Path, group: str) -> list[tuple[Sample, Path, str]]:
    """(sample, image, prompt) of one folder, by number and name."""
    if not place.is_dir():
        raise FileNotFoundError(f"{place} does not exist: give DreamGen's folder, with {', '.join(GROUPS)}")
    images = sorted(path for path in place.iterdir() if path.suffix.lower() in IMAGES and not path.name.startswith("."))
    found = []
    for path in images:
        match = NAME.fullmatch(path.stem)
        if match is None:
            raise ValueError(f"{path}: the name must be like '12_Use the right hand to ... .png'")
        found.append((int(match["index"]), path))
    stems = Counter(path.stem for path in images)
    if len(stems) < len(images):
        raise ValueError(f"{place}: two images have the name {stems.most_common(1)[0][0]!r}: keep one")
    numbers = Counter(index for index, _ in found)
    made = []
    for index, path in sorted(found, key=lambda pair: (pair[0], pair[1].name)):
        try:
            image = confined(folder, path.relative_to(folder))
        except PathOutsideRoot as error:
            raise ValueError(f"{error}. Download the data set into its own folder (--local-dir)") from error
        prompt = _prompt(folder, path) or _words(path.stem)
        twice = f"-{hashlib.sha256(path.stem.encode()).hexdigest()[:8]}" if numbers[index] > 1 else ""
        sample = Sample(
            f"{place.name}-{index}{twice}", path.relative_to(folder).as_posix(), prompt, agent="robot", group=group
        )
        made.append((sample, image, prompt))
    return made


def _prompt(folder: Path, image: Path) -> str:
    """The prompt file's text, "" when there is none: `S.txt`, and where the name's last full stop differs, that one."""
    stem = image.stem
    for name in (f"{stem}.txt", f"{stem}..txt", *([f"{stem[:-1]}.txt"] if stem.endswith(".") else [])):
        if image.with_name(name).is_file():
            return read_text(confined(folder, image.with_name(name).relative_to(folder)), MOST_PROMPT).strip()
    return ""


def _words(stem: str) -> str:
    """The instruction of a name: what stands behind the first underscore, with spaces for the others."""
    return stem.split("_", 1)[1].replace("_", " ").strip()
