"""A clip that is a part of a longer file: its facts from the file's. Nothing is cut, frames are found by seeking."""

from fractions import Fraction

import numpy as np

from media.errors import MediaError
from media.index import FrameIndex


def within(facts: dict, start_s: float, end_s: float) -> dict:
    """The facts (see media.probe) of a file's part from `start_s` to `end_s`, seconds after the file's first frame.

    The first frame is the one nearest to the start, the last the one before the frame nearest to the end. Keyframes are
    those that the part's frames need. Added are `begins_s`, the first frame's exact time in the file, and `file_s`, the
    file's duration: it may end before the part does. Raises MediaError for a file that ends before the part begins, or
    whose frames have no times.
    """
    if facts["counted"]:
        detail = "its frames have no times of their own: put the video into MP4 or MKV"
        raise MediaError("span_needs_times", detail)
    index = FrameIndex.from_row(facts)
    pts, base = index.pts, index.time_base
    after = max(int(pts[0]) + round(Fraction(facts["duration_s"]) / base), int(pts[-1]) + 1)
    times = np.append(pts, after)
    middles = times[1:] + times[:-1]
    first, stop = (
        int(np.searchsorted(middles, 2 * (int(pts[0]) + float(Fraction(seconds) / base))))
        for seconds in (start_s, end_s)
    )
    if first == len(pts):
        detail = f"the video has {facts['duration_s']:.2f} s, the clip is {start_s:.2f} to {end_s:.2f} s of it"
        raise MediaError("shorter_than_row", detail)
    stop = max(stop, first + 1)
    begin = int(np.searchsorted(index.keyframe_pts, pts[first], side="right")) - 1
    keyframes = index.keyframe_pts[begin:]
    part = FrameIndex(pts[first:stop], keyframes[keyframes <= pts[stop - 1]], base)
    shown = part.exact_seconds(part.pts[-1])
    return facts | {
        "file_s": facts["duration_s"],
        "begins_s": index.seconds(part.pts[0]),
        "duration_s": part.seconds(int(times[stop])),
        "fps": float((len(part.pts) - 1) / shown) if shown else facts["fps"],
        "frame_count": len(part.pts),
        **part.to_row(),
    }
