"""How much of each first frame is cut away to fit it to the video, and which size would keep it.

A judge, or a benchmark's own evaluator, asks for what stands in the picture: a model that never saw it cannot do it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evaluation.benchmarks.benchmark import BadBenchmark, Benchmark
from evaluation.generation.options import GenerateOptions
from evaluation.images import UnreadableImage, picture_size
from evaluation.records import CUT, MANIFEST, RUN, RunRecord, Sample, VideoRecord, read_lines, read_one
from storage.files import confined

SIDES = 32  # sides in multiples of so many pixels fit every model
AREAS = (0.75, 1.25)  # of the asked video, that a proposed size may have
Size = tuple[int, int]  # height, width in pixels


class CutAway(BadBenchmark):
    """First frames that would lose more of their picture than is allowed; the message names a size that keeps them."""


def picture_sizes(benchmark: Benchmark) -> dict[str, Size]:
    """sample id -> size of its image, from its header. Those that are missing or no pictures are left out: they fail by
    themselves."""
    found: dict[str, Size] = {}
    known: dict[str, Size | None] = {}
    for sample in benchmark.samples:
        if sample.image not in known:
            known[sample.image] = _size(benchmark, sample)
        if known[sample.image]:
            found[sample.sample_id] = known[sample.image]
    return found


def cut_shares(sizes: Mapping[str, Size], samples: Sequence[Sample], video: Size) -> dict[str, float]:
    """sample id -> share of its picture's area, 0 to 1, that is cut away for a video of this size."""
    from models.video.pixels import cut_share

    known = [sample.sample_id for sample in samples if sample.sample_id in sizes]
    return {one: round(cut_share(sizes[one], video), 6) for one in known}


def described(shares: Mapping[str, float]) -> dict[str, Any]:
    """Shares as run.json holds them."""
    return {
        "largest": max(shares.values(), default=0.0),
        "mean": round(sum(shares.values()) / max(1, len(shares)), 6),
        "shares": {name: share for name, share in shares.items() if share > 0},
    }


def check_cut(options: GenerateOptions, benchmark: Benchmark, sizes: Mapping[str, Size]) -> dict[str, Any]:
    """The cut shares of a run, as run.json holds them.

    Raises CutAway when one is above `max_cut_share`, unless the run was finished before: its videos are what they are.
    """
    samples = benchmark.samples[: options.samples]
    video = options.model.height, options.model.width
    shares = cut_shares(sizes, samples, video)
    over = [name for name, share in shares.items() if share > options.max_cut_share]
    if over and (options.replace or not options.finished):
        most = max(over, key=lambda name: shares[name])
        wanted = [sizes[name] for name in shares]
        raise CutAway(
            f"run {options.run_name!r}: videos of {_words(video)} would cut away {shares[most]:.0%} of the first frame "
            f"of {most} ({_words(sizes[most])}). {len(over)} of {len(shares)} first frames would lose more than "
            f"{options.max_cut_share:.0%}. {_advice(wanted, video, options.max_cut_share)}, or raise max_cut_share"
        )
    return described(shares)


def known_cut(options: GenerateOptions, benchmark: Benchmark) -> dict[str, Any] | None:
    """The cut shares that a finished run's record holds, those of this benchmark; None where pictures must be read."""
    if options.replace or not options.finished:
        return None
    folder = Path(options.output)
    try:
        before = read_one(folder / RUN, RunRecord)
        failed = any(record.failure for record in read_lines(folder / MANIFEST, VideoRecord))
    except (OSError, ValueError):  # told by who needs them
        return None
    now = options.model.height, options.model.width, len(benchmark.samples[: options.samples]), benchmark.version
    model = before.model
    then = model.get("height"), model.get("width"), before.samples, before.benchmark_version
    # A picture that was missing then may be there now.
    return before.extra.get(CUT) if now == then and not failed else None


def keeping(sizes: Sequence[Size], video: Size) -> tuple[Size, float]:
    """The video size, of about the area of `video`, at which the picture that loses most loses least; and that share.

    Sides are multiples of SIDES, or of 8 where the video is too small for that.
    """
    from models.video.pixels import cut_share

    area, counted = video[0] * video[1], Counter(sizes)
    step = SIDES if min(video) >= 4 * SIDES else 8

    def loss(size: Size) -> tuple[float, float]:
        cut = max(cut_share(picture, size) for picture in counted)
        return round(cut, 3), abs(size[0] * size[1] - area)

    sides = range(step, int(area**0.5) * 4, step)
    near = [(h, w) for h in sides for w in sides if AREAS[0] * area <= h * w <= AREAS[1] * area]
    best = min(near, key=loss, default=video)
    return best, loss(best)[0]


def _advice(sizes: Sequence[Size], video: Size, most: float) -> str:
    best, cut = keeping(sizes, video)
    if cut > most:
        return f"No size keeps them all: the best, {_words(best)}, still cuts {cut:.0%}. Use pictures of one shape"
    told = "keeps them whole" if cut == 0 else f"cuts at most {cut:.1%}"
    return f"{_words(best)} {told}: use that size"


def _words(size: Size) -> str:
    return f"height {size[0]} x width {size[1]}"


def _size(benchmark: Benchmark, sample: Sample) -> Size | None:
    try:
        return picture_size(confined(benchmark.folder, sample.image))
    except (OSError, UnreadableImage):
        return None
