"""Where one shot of a film ends and the next begins: PySceneDetect's adaptive detector over every frame of a file.

It finds hard cuts: frames that differ from the one before much more than the frames around do. Fades and dissolves,
whose frames change little by little, are no cuts.
"""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from media.container import MAX_PIXELS, decoded, filled, opened
from media.index import FrameIndex
from media.reader import Reader

# The detector compares colours pixel by pixel; it needs no more, and takes a hundredth of the time.
WIDTH_PX = 256
# A shot shorter than this is a flash. The detector's own default, in frames.
MIN_SHOT_FRAMES = 15


def find_cuts(
    path: Path, index: FrameIndex, threshold: float, max_pixels: int = MAX_PIXELS, part: bool = False
) -> list[int]:
    """The presentation times, of those in `index`, at which a new shot begins; the first shot is left out.

    `threshold`: how many times a frame must differ more than those around it. `part`: the index is of a part of the
    file, and only that is decoded. Raises MediaError.
    """
    from scenedetect import FrameTimecode
    from scenedetect.detectors import AdaptiveDetector

    detector = AdaptiveDetector(adaptive_threshold=threshold, min_scene_len=MIN_SHOT_FRAMES)
    shown, rate = set(index.pts.tolist()), Fraction(25)  # any rate: places are told in frames
    times: list[int] = []
    places: list[int] = []
    begin = int(index.keyframe_pts[0]) if part else None
    for pts, picture in small_pictures(path, max_pixels, begin):
        if part and pts is not None and pts > index.pts[-1]:
            break
        if index.counted and len(times) < len(index.pts):
            pts = int(index.pts[len(times)])  # the n-th frame shown has the n-th time
        elif index.counted or pts not in shown:
            continue
        places += [cut.frame_num for cut in detector.process_frame(FrameTimecode(len(times), rate), picture)]
        times.append(pts)
    if times:
        places += [cut.frame_num for cut in detector.post_process(FrameTimecode(len(times) - 1, rate))]
    return sorted({times[place] for place in places if place})


def small_pictures(path: Path, max_pixels: int, begin: int | None) -> Iterator[tuple[int | None, np.ndarray]]:
    """(pts, uint8 [h, w, 3] BGR) of every frame that decodes, from the keyframe at `begin` (None: the first) on, in the
    order shown.

    WIDTH_PX wide where the frame is wider.
    """
    reformatter, begun = VideoReformatter(), False
    with opened(path, max_pixels) as (container, stream):
        packets = filled(container.demux(stream)) if begin is None else Reader(container, stream).packets(begin)
        for packet in packets:
            for frame in decoded(stream, packet if packet.size else None):
                begun = begun or bool(frame.key_frame)
                if not begun:
                    continue
                width = min(WIDTH_PX, frame.width)
                height = max(1, round(frame.height * width / frame.width))
                small = reformatter.reformat(
                    frame, width=width, height=height, format="bgr24", interpolation=Interpolation.AREA, threads=1
                )
                yield frame.pts, small.to_ndarray()
