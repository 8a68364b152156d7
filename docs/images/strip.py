"""The picture of README.md: base, Demonstrator and Executor on one held-out task, six frames each.

    python docs/images/strip.py                                          # after `make run`
    python docs/images/strip.py --runs data/NAME/evaluation/runs --out strip.jpg

The task is the benchmark's first one that the Executor did and the base did not, by the judge. It prints the task, the
three verdicts, and how many tasks there are of this kind and of the opposite one.
"""

import argparse
import io
import sys
from pathlib import Path

from PIL import Image, ImageDraw

from evaluation.records import JUDGEMENTS, MANIFEST, SAMPLES, Judgement, Sample, VideoRecord, read_lines
from evaluation.strips import FRAMES, strip_of, strip_path
from pages.palette import INK, PAPER
from pages.pictures import font, jpeg_below

ROWS = {
    "base": "Base: told the task T",
    "demonstrator": "Demonstrator: the base, told every step (D)",
    "executor": "Executor: trained, told T alone",
}
TITLE_PX, LABEL_PX, SPACE_PX, GAP_PX = 22, 18, 8, 3
LIMIT_BYTES = 100_000


def verdicts(folder: Path) -> dict[str, bool]:
    """The answer to "is the task done?" for each sample of a run, in the wording that scores are made of."""
    told = read_lines(folder / JUDGEMENTS, Judgement)
    return {one.sample_id: bool(one.yes) for one in told if one.question == "task" and one.variant == 1}


def strip(folder: Path, sample: str) -> Image.Image:
    """Six frames of the first video that a run made of `sample`."""
    video = next(one for one in read_lines(folder / MANIFEST, VideoRecord) if one.sample_id == sample)
    kept = strip_path(folder, video.sha256)
    data = kept.read_bytes() if kept.exists() else strip_of(folder / video.path)
    if data is None:
        raise ValueError(f"{folder / video.path} does not decode")
    return Image.open(io.BytesIO(data)).convert("RGB")


def drawn(task: str, rows: dict[str, tuple[Image.Image, bool]]) -> Image.Image:
    """The rows below each other, each with who it is and what the judge said."""
    width, height = next(iter(rows.values()))[0].size
    wide = width // FRAMES
    each = LABEL_PX + SPACE_PX + height + SPACE_PX
    page = Image.new("RGB", (FRAMES * wide + (FRAMES - 1) * GAP_PX, TITLE_PX + 2 * SPACE_PX + each * len(rows)), PAPER)
    pen = ImageDraw.Draw(page)
    pen.text((0, 0), f"T = {task}", fill=INK, font=font(TITLE_PX))
    top = TITLE_PX + 2 * SPACE_PX
    for name, (picture, done) in rows.items():
        said = "judge: done" if done else "judge: not done"
        pen.text((0, top), f"{ROWS[name]}  ·  {said}", fill=INK, font=font(LABEL_PX))
        for number in range(FRAMES):
            frame = picture.crop((number * wide, 0, (number + 1) * wide, height))
            page.paste(frame, (number * (wide + GAP_PX), top + LABEL_PX + SPACE_PX))
        top += each
    return page


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("data/microworld/evaluation/runs"))
    parser.add_argument("--out", type=Path, default=Path("docs/images/strip.jpg"))
    told = parser.parse_args()
    said = {name: verdicts(told.runs / name) for name in ROWS}
    samples = list(read_lines(told.runs / "base" / SAMPLES, Sample))
    won = [one for one in samples if said["executor"].get(one.sample_id) and not said["base"].get(one.sample_id)]
    lost = [one for one in samples if said["base"].get(one.sample_id) and not said["executor"].get(one.sample_id)]
    if not won:
        print(f"{told.runs}: the Executor did no task that the base did not do", file=sys.stderr)
        return 1
    chosen = won[0]
    rows = {name: (strip(told.runs / name, chosen.sample_id), said[name][chosen.sample_id]) for name in ROWS}
    told.out.write_bytes(jpeg_below(drawn(chosen.task, rows), LIMIT_BYTES))
    print(f"{told.out}: {chosen.sample_id} {chosen.task} { ({name: done for name, (_, done) in rows.items()}) }")
    print(f"of {len(samples)} tasks the Executor alone did {len(won)}, the base alone {len(lost)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
