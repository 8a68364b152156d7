"""Small real video files, good and bad, written with PyAV; and the full decode that every shortcut is compared with."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import av.filter
import cv2
import numpy as np

from media.display import Painter


def picture(number: int, width: int, height: int) -> np.ndarray:
    """uint8 [height, width, 3] BGR: texture that drifts and a disc that moves, so that no two frames are alike."""
    y, x = np.mgrid[0:height, 0:width]
    waves = 128 + 60 * np.sin((x + 3 * number) / 7) + 50 * np.cos((y - 2 * number) / 5)
    grain = np.random.default_rng(number).integers(-8, 9, (height, width, 3))
    image = (waves[..., None] + grain).clip(0, 255).astype(np.uint8)
    cv2.circle(image, (number * 5 % width, height // 2), height // 5, (20, 40 + number % 200, 230), -1)
    return image


def write_video(
    path: Path,
    frames: int = 48,
    size: tuple[int, int] = (160, 96),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    pts: Callable[[int], int] = lambda i: i,
    time_base: Fraction = Fraction(1, 24),
    rotation: int = 0,
    mirrored: bool = False,
    pixel_aspect: Fraction | None = None,
    container_options: dict[str, str] | None = None,
    draw: Callable[[int, int, int], np.ndarray] = picture,
    colorspace: int | None = None,
    gop: int = 12,
) -> Path:
    """Encodes `frames` pictures, one reference thread, with B-frames when the codec has them by default."""
    width, height = size
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=round(1 / time_base))
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        stream.codec_context.time_base = time_base
        stream.codec_context.gop_size = gop
        stream.codec_context.thread_count = 1
        if pixel_aspect is not None:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        if colorspace is not None:
            stream.codec_context.colorspace = colorspace
        stream.options = options or {}
        if rotation or mirrored:
            stream.set_display_rotation(rotation, hflip=mirrored)
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(draw(number, width, height), "bgr24")
            conversion = {} if colorspace is None else {"dst_colorspace": colorspace}
            frame = frame.reformat(format=pix_fmt, **conversion)
            frame.pts, frame.time_base = pts(number), time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def remux(
    source: Path,
    target: Path,
    shift: int = 0,
    container_options: dict[str, str] | None = None,
    keep: Callable[[av.Packet], bool] = lambda packet: True,
    form: str | None = None,
) -> Path:
    """Copies the packets of `source`, times shifted by `shift` ticks, those only that `keep` accepts.

    `form`: FFmpeg's name of the container, else by the suffix.
    """
    with av.open(str(source)) as old, av.open(str(target), "w", form, options=container_options or {}) as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(old.streams.video[0]):
            if packet.dts is None or not keep(packet):
                continue
            packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
            packet.stream = stream
            new.mux(packet)
    return target


def write_audio_only(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        for i in range(10):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16000, i * 1024
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def cut(source: Path, target: Path, fraction: float) -> Path:
    data = source.read_bytes()
    target.write_bytes(data[: int(len(data) * fraction)])
    return target


def patched(source: Path, target: Path, old: bytes, new: bytes) -> Path:
    """A copy with every `old` replaced by the equally long `new`."""
    data = source.read_bytes()
    assert old in data and len(old) == len(new)
    target.write_bytes(data.replace(old, new))
    return target


def damaged(source: Path, target: Path, packet_number: int) -> Path:
    """A copy with the second half of one packet (counted in decoding order) overwritten."""
    with av.open(str(source)) as container:
        packet = [p for p in container.demux(video=0) if p.size][packet_number]
        at, size = packet.pos, packet.size
    data = bytearray(source.read_bytes())
    noise = np.random.default_rng(7).integers(0, 256, size, dtype=np.uint8).tobytes()
    data[at + size // 2 : at + size] = noise[size // 2 :]
    target.write_bytes(data)
    return target


def full_decode(path: Path, max_side_px: int | None = 1280) -> dict[int, np.ndarray]:
    """Every frame that is shown, by presentation time, decoded in one pass with nothing left out."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_count, stream.thread_type = 1, "NONE"
        painter = Painter(max_side_px)
        aspect = stream.sample_aspect_ratio
        return {frame.pts: painter.paint(frame, aspect) for frame in container.decode(stream)}


def smooth_motion(number: int, width: int, height: int) -> np.ndarray:
    """uint8 [height, width, 3] BGR at moment `number`: a still background with detail, and a square that moves."""
    noise = np.random.default_rng(11).integers(60, 196, (height // 8, width // 8), dtype=np.uint8)
    image = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)[..., None].repeat(3, 2)
    left = 8 + 4 * number % (width - height // 2 - 16)
    image[height // 4 : 3 * height // 4, left : left + height // 2] = (110, 150, 160)
    return image


def write_interlaced(
    path: Path, codec: str, options: dict[str, str], top_first: bool = True, frames: int = 12, size=(256, 144), **more
) -> Path:
    """A video whose frame n holds the moments 2n and 2n + 1 of `smooth_motion` in its fields."""
    order = {True: "tff", False: "bff"}[top_first]

    def woven(number: int, width: int, height: int) -> np.ndarray:
        first, second = (smooth_motion(2 * number + i, width, height) for i in (0, 1))
        image = first.copy()
        image[int(top_first) :: 2] = second[int(top_first) :: 2]
        return image

    width, height = size
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, more.get("pix_fmt", "yuv420p")
        stream.codec_context.gop_size, stream.codec_context.thread_count = 6, 1
        stream.codec_context.field_order = 2 if top_first else 3
        stream.options = options
        graph = av.filter.Graph()
        source = graph.add("buffer", f"video_size={width}x{height}:pix_fmt={stream.pix_fmt}:time_base=1/25")
        graph.link_nodes(source, graph.add("setfield", order), graph.add("buffersink")).configure()
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(woven(number, width, height), "bgr24").reformat(format="yuv444p")
            # Chroma is halved field by field, as cameras do it.
            fields = frame.to_ndarray()
            if stream.pix_fmt.startswith("yuv420"):
                frame = av.VideoFrame.from_ndarray(halved_chroma(fields), "yuv420p").reformat(format=stream.pix_fmt)
            else:
                frame = frame.reformat(format=stream.pix_fmt)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            graph.push(frame)
            container.mux(stream.encode(graph.pull()))
        container.mux(stream.encode())
    return path


def halved_chroma(planes: np.ndarray) -> np.ndarray:
    """yuv444p [3, h, w] -> yuv420p [3h/2, w], the lines of each field averaged among themselves."""
    luma, *chroma = planes
    height, width = luma.shape
    halves = []
    for plane in chroma:
        columns = plane.reshape(height, width // 2, 2).mean(2)
        half = np.empty((height // 2, width // 2))
        for field in (0, 1):
            half[field::2] = (columns[field::4] + columns[field + 2 :: 4]) / 2
        halves.append(np.rint(half).astype(np.uint8).reshape(-1, width))
    return np.concatenate([luma, *halves])
