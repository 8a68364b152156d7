"""Colours of a painted frame, by comparison with the picture that the frame was made from."""

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation, VideoReformatter

from media.decode import decode_stills
from media.display import Painter
from media.index import FrameIndex
from media.plan import plan_clip
from media.probe import probe
from media.tone_map import tone_mapped
from media.treatment import Treatment


def colourful(height=360, width=640) -> np.ndarray:
    """uint8 [h, w, 3] RGB: soft coloured shapes, smooth enough for halved chroma to be told from its original."""
    noise = np.random.default_rng(3).integers(70, 190, (height // 16, width // 16, 3), dtype=np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


def frame_of(rgb: np.ndarray, pix_fmt: str) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(rgb, "rgb24")
    return frame.reformat(
        format=pix_fmt,
        dst_colorspace=Colorspace.ITU601,
        dst_color_range=ColorRange.MPEG,
        interpolation=Interpolation.AREA,
    )


def painted(frame, interpolation) -> np.ndarray:
    scaled = VideoReformatter().reformat(
        frame,
        format="bgr24",
        src_colorspace=Colorspace.ITU601,
        dst_color_range=ColorRange.JPEG,
        interpolation=interpolation,
    )
    return scaled.to_ndarray()


def psnr(bgr: np.ndarray, rgb: np.ndarray) -> float:
    return cv2.PSNR(bgr, np.ascontiguousarray(rgb[..., ::-1]))


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuvj420p", "gray", "rgb24"])
def test_eight_bit_pictures_are_the_same_with_either_interpolation(pix_fmt):
    frame = frame_of(colourful(), pix_fmt)
    assert np.array_equal(Painter().paint(frame, None), painted(frame, Interpolation.BILINEAR))


@pytest.mark.parametrize("pix_fmt", ["yuv420p10le", "yuv420p12le"])
def test_chroma_of_more_than_eight_bits_is_interpolated(pix_fmt):
    """44.0 dB to the picture before its chroma was halved; 41.1 with the interpolation that eight bits get."""
    rgb = colourful()
    frame = frame_of(rgb, pix_fmt)
    ours, linear = psnr(Painter().paint(frame, None), rgb), psnr(painted(frame, Interpolation.BILINEAR), rgb)
    assert ours > 43.5
    assert ours > linear + 2.5


# ITU-R BT.2087: linear BT.709 to linear BT.2020. Reference white of an HDR picture: 203 cd/m2 (ITU-R BT.2408).
TO_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
LUMA = np.array([0.2126, 0.7152, 0.0722])


def pq(nits):
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 4096 * 128, 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    power = np.clip(nits / 10_000, 0, 1) ** m1
    return ((c1 + c2 * power) / (1 + c3 * power)) ** m2


def hlg(nits):
    """The signal for light of a screen of 1000 cd/m2: the inverse of its gamma of 1.2, then the camera's curve."""
    screen = nits / 1000
    luminance = np.maximum(screen @ [0.2627, 0.6780, 0.0593], 1e-9)[..., None]
    scene = np.clip(screen * luminance ** (1 / 1.2 - 1), 0, 1)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c)


def hdr_frame(rgb: np.ndarray, curve, pix_fmt: str = "yuv420p10le") -> av.VideoFrame:
    """The HDR master of an SDR picture (uint8 [h, w, 3] RGB), with the tags that a phone or a Blu-ray has."""
    signal = curve((rgb / 255.0) ** 2.4 * 203 @ TO_2020.T)
    frame = av.VideoFrame.from_ndarray(np.rint(signal * 65535).astype(np.uint16), "rgb48le")
    frame = frame.reformat(format=pix_fmt, dst_colorspace=Colorspace.BT2020, dst_color_range=ColorRange.MPEG)
    frame.colorspace, frame.color_range = Colorspace.BT2020, ColorRange.MPEG
    frame.color_primaries = ColorPrimaries.BT2020
    frame.color_trc = ColorTrc.SMPTE2084 if curve is pq else ColorTrc.ARIB_STD_B67
    return frame


def grey_ramp() -> np.ndarray:
    return np.broadcast_to(np.linspace(0, 255, 640).astype(np.uint8)[None, :, None], (120, 640, 3)).copy()


@pytest.mark.parametrize("curve", [pq, hlg])
@pytest.mark.parametrize("master", [colourful, grey_ramp])
def test_an_hdr_picture_has_the_brightness_and_colours_of_its_sdr_master(master, curve):
    """Up to the shoulder (217) the luma error is under 0.5 levels on average, 4 at most; above it under 20."""
    rgb = master()
    ours = Painter().paint(hdr_frame(rgb, curve), None)[..., ::-1]
    error, below = np.abs(ours @ LUMA - rgb @ LUMA), rgb.max(2) <= 0.85 * 255
    assert error[below].mean() < 0.5 and error[below].max() < 4
    assert error.max() < 20
    assert np.abs(ours[below].astype(int) - rgb[below]).mean() < 2
    flat = Painter(tone_map=False).paint(hdr_frame(rgb, curve), None)[..., ::-1]
    assert np.abs(flat @ LUMA - rgb @ LUMA)[below].mean() > 10


@pytest.mark.parametrize("curve", [pq, hlg])
def test_what_is_brighter_than_white_keeps_its_order_and_its_hue(curve):
    nits = np.array([100, 203, 400, 700, 1000])
    for colour in ([1, 1, 1], [1, 0.6, 0.3]):
        light = nits[None, :, None] * np.array(colour) @ TO_2020.T
        codes = np.rint(curve(light) * 65535).astype(np.uint16)
        transfer = ColorTrc.SMPTE2084 if curve is pq else ColorTrc.ARIB_STD_B67
        shown = tone_mapped(codes, transfer)[0].astype(int)
        assert (np.diff(shown[:, 0]) > 0).all() and shown[-1, 0] == 255
        ratios = shown / shown[:, :1]
        assert np.abs(ratios - ratios[0]).max() < 0.02


def test_only_hdr_is_tone_mapped():
    with pytest.raises(ValueError, match="transfer 1 is not one of HDR: 16, 18"):
        tone_mapped(np.zeros((2, 2, 3), np.uint16), 1)
    with pytest.raises(ValueError, match=r"uint16 \[h, w, 3\]"):
        tone_mapped(np.zeros((2, 2, 3), np.uint8), 16)


@pytest.mark.parametrize("curve", [pq, hlg])
def test_hdr_files_are_recognised_tone_mapped_and_can_be_rejected_by_name(tmp_path, curve):
    rgb, path = colourful(), tmp_path / "hdr.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = *rgb.shape[:2], "yuv420p10le"
        stream.options = {"crf": "4"}
        frame = hdr_frame(rgb, curve)
        for tag in ("colorspace", "color_range", "color_primaries", "color_trc"):
            setattr(stream.codec_context, tag, getattr(frame, tag))
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    facts = probe(path)
    assert facts["transfer"] == {pq: "smpte2084", hlg: "arib_std_b67"}[curve]
    plan = plan_clip(FrameIndex.from_row(facts), count=1)
    (still,) = decode_stills(path, plan)
    assert np.abs(still.picture[..., ::-1] @ LUMA - rgb @ LUMA).mean() < 1
    (flat,) = decode_stills(path, plan, treatment=Treatment(hdr="keep"))
    assert np.abs(flat.picture[..., ::-1] @ LUMA - rgb @ LUMA).mean() > 10
    (none,) = decode_stills(path, plan, treatment=Treatment(hdr="reject"))
    assert (none.error.reason, none.picture) == ("hdr", None)
