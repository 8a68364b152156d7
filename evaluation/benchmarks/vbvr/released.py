"""The samples of VBVR-Bench, as samples of this room.

    FOLDER/In-Domain_50/G-45_key_door_matching_data-generator/00000/    first_frame.png prompt.txt
    FOLDER/Out-of-Domain_50/...                                         final_frame.png ground_truth.mp4
    FOLDER/VBVR-Bench.json     a list of {prompt, first_image (base64), first_frame_path, ground_truth_video_path, ...}

100 tasks of 5 samples. The evaluator needs the folders; the JSON file alone, unpacked, is enough to generate.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from evaluation.benchmarks.foreign import read_json, read_text
from evaluation.benchmarks.named_videos import listed
from evaluation.records import Sample
from storage.files import PathOutsideRoot, confined, sha256_file, write_bytes

SPLITS = {"In-Domain_50": "In_Domain", "Out-of-Domain_50": "Out_of_Domain"}  # folder -> what results call it
EXPECTED = 500
LISTING, FIRST, PROMPT = "VBVR-Bench.json", "first_frame.png", "prompt.txt"
PLACE = re.compile(r"(?P<split>In-Domain_50|Out-of-Domain_50)/(?P<task>\w[\w.+-]*)/(?P<index>\d{5})/first_frame\.png")
MOST_PROMPT = 64 * 2**10  # bytes
MOST_IMAGE = 32 * 2**20  # bytes of a first frame


class Entry(BaseModel):
    """What is read of one entry of VBVR-Bench.json; it has more."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    prompt: Annotated[str, Field(min_length=1, max_length=MOST_PROMPT)]
    first_image: Annotated[str, Field(min_length=1, max_length=2 * MOST_IMAGE)]
    first_frame_path: Annotated[str, Field(pattern=rf"^{PLACE.pattern}$")]


def read_benchmark(folder: Path) -> tuple[str, list[Sample]]:
    """(version, samples) of the folder that was downloaded, by split, task and number.

    The version is a hash of first frames and prompts. A sample's `task` is the whole query, its `group` the
    `split/task`, its id `In-Domain_50--G-45_...--00000`, its `image` a path below `folder`.

    Raises FileNotFoundError when there is no split's folder, ValueError for a sample without first frame or prompt, a
    name that is not of this form, a link out of the folder, a prompt that is empty, no UTF-8 or over 64 KiB.
    """
    if not any((folder / split).is_dir() for split in SPLITS):
        listed_only = f". First unpack {LISTING} with the step unpack" if (folder / LISTING).is_file() else ""
        raise FileNotFoundError(f"{folder} must hold the folders {' and '.join(SPLITS)}{listed_only}")
    samples, digest = [], hashlib.sha256()
    for split in SPLITS:
        for place in sorted((folder / split).glob("*/*")):
            if place.name.startswith(".") or place.parent.name.startswith(".") or not place.is_dir():
                continue
            sample, image = _sample(folder, place)
            samples.append(sample)
            digest.update(f"{sample.sample_id}\0{sha256_file(image)}\0{sample.task}\0".encode())
    return f"vbvr-{digest.hexdigest()[:16]}", samples


def place_of(sample: Sample) -> tuple[str, str, str]:
    """(split, task, number) of a sample. Raises ValueError when its image is none of VBVR's."""
    match = PLACE.fullmatch(sample.image)
    if match is None:
        raise ValueError(f"{sample.sample_id}: image {sample.image!r} is not a VBVR sample (SPLIT/TASK/00000/{FIRST})")
    return match["split"], match["task"], match["index"]


def video_name(sample: Sample) -> str:
    """`{split}/{task}/{00000}.mp4`, which the evaluator looks for below the model's folder."""
    split, task, index = place_of(sample)
    return f"{split}/{task}/{index}.mp4"


def unpack(listing: Path, folder: Path) -> int:
    """Writes first frames and prompts of VBVR-Bench.json into `folder`, where they are not yet. Returns the entries.

    Raises OSError, and ValueError naming the entry for what is no such list, two entries of one place, a picture that
    is no PNG or JPEG, a path out of the folder.
    """
    try:
        entries = TypeAdapter(list[Entry]).validate_python(read_json(listing))
    except ValidationError as error:
        wrong = [f"entry {'.'.join(map(str, item['loc'])) or 'list'}: {item['msg']}" for item in error.errors()]
        raise ValueError(f"{listing}: {listed(wrong, 3)}") from error
    places = [entry.first_frame_path for entry in entries]
    if len(set(places)) < len(places):
        twice = sorted({place for place in places if places.count(place) > 1})
        raise ValueError(f"{listing} has two entries of {listed(twice, 3)}")
    for entry in entries:
        image = confined(folder, entry.first_frame_path)
        if not image.exists():
            write_bytes(image, _picture(entry))
        text = confined(folder, str(Path(entry.first_frame_path).with_name(PROMPT)))
        if not text.exists():
            write_bytes(text, f"{entry.prompt}\n".encode())
    return len(entries)


def count_complaints(samples: Iterable[Sample]) -> list[str]:
    """What is wrong with the number of samples, [] when there are 2 splits of 50 tasks of 5."""
    samples = list(samples)
    found = [] if len(samples) == EXPECTED else [f"{len(samples)} samples instead of {EXPECTED}"]
    places = [place_of(sample) for sample in samples]
    for split in SPLITS:
        tasks = [task for found_in, task, _ in places if found_in == split]
        if len(set(tasks)) != 50:
            found.append(f"{split}: {len(set(tasks))} tasks instead of 50")
        others = sorted({task for task in tasks if tasks.count(task) != 5})
        if others:
            found.append(f"{split}: not 5 samples of {listed(others, 5)}")
    return found


def _sample(folder: Path, place: Path) -> tuple[Sample, Path]:
    relative = (place / FIRST).relative_to(folder).as_posix()
    match = PLACE.fullmatch(relative)
    if match is None:
        raise ValueError(f"{place}: the folder must be like G-45_key_door_matching_data-generator/00000")
    try:
        image, text = confined(folder, relative), confined(folder, (place / PROMPT).relative_to(folder))
    except PathOutsideRoot as error:
        raise ValueError(f"{error}. Download the data set into its own folder (--local-dir)") from error
    for path in (image, text):
        if not path.is_file():
            raise ValueError(f"{place} has no {path.name}")
    prompt = read_text(text, MOST_PROMPT).strip()
    if not prompt:
        raise ValueError(f"{place / PROMPT} is empty: it must hold the query")
    group = f"{match['split']}/{match['task']}"
    return Sample(f"{match['split']}--{match['task']}--{match['index']}", relative, prompt, group=group), image


def _picture(entry: Entry) -> bytes:
    """The first frame as a PNG file. Raises ValueError for another content."""
    import io

    from media.pictures import decode_rgb

    try:
        data = base64.b64decode(entry.first_image.split(",", 1)[-1], validate=True)
        picture = decode_rgb(data)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"entry {entry.first_frame_path}: first_image is not a picture in base64: {error}") from error
    if data.startswith(b"\x89PNG"):
        return data
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
