"""Pictures within a bound of pixels, found without decoding; transparent and turned ones are one picture everywhere."""

import base64
import contextlib
import io
import struct
import tracemalloc
import zlib

import cv2
import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.report.thumbnails import Thumbnails
from evaluation.benchmarks.vbvr.released import Entry, _picture
from evaluation.images import UnreadableImage, read_image
from media import container, pictures
from media.pictures import MAX_PIXELS, PictureTooLarge, check_size, decode_rgb, opened, plain
from microworld.vision import decode
from models.vlm.chat_content import content_parts, data_url
from models.vlm.protocol import Image


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_that_states(width: int, height: int, colour: int = 2) -> bytes:
    """A PNG of some hundred bytes whose header states a size; its pixels end early."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def jpeg_that_states(width: int, height: int) -> bytes:
    data = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    at = data.index(b"\xff\xc0")
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


def other_that_states(width: int, height: int) -> bytes:
    """A BMP, which OpenCV takes too."""
    data = bytearray(cv2.imencode(".bmp", np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    data[18:26] = struct.pack("<ii", width, height)
    return bytes(data)


STATED = {"png": png_that_states, "jpeg": jpeg_that_states, "bmp": other_that_states}
TAKERS = {
    "judge and benchmark": lambda data: decode(data),
    "first frame": lambda data: read_image(data),
    "over HTTP": lambda data: data_url(data),
    "in this process": lambda data: decode_rgb(data),
    "vbvr": lambda data: _picture(
        Entry.model_construct(first_frame_path="x", first_image=base64.b64encode(data).decode())
    ),
}


@pytest.mark.parametrize("taker", TAKERS)
@pytest.mark.parametrize("kind", STATED)
def test_a_picture_that_is_too_large_is_refused_before_it_is_decoded(kind, taker):
    data = STATED[kind](13_000, 13_000)
    tracemalloc.start()
    with pytest.raises(ValueError) as caught:
        TAKERS[taker](data)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 50 * 2**20
    if kind == "bmp" and taker in ("over HTTP", "in this process", "vbvr"):
        assert "give a JPEG or PNG" in str(caught.value) or "13000 x 13000" in str(caught.value)
    else:
        assert "13000 x 13000 pixels: at most 67108864 (8192 x 8192) are decoded" in str(caught.value)
    if taker == "first frame":
        assert isinstance(caught.value, UnreadableImage)


def test_the_bound_is_that_of_videos_and_what_is_within_it_is_read():
    assert MAX_PIXELS == container.MAX_PIXELS
    for state in STATED.values():
        check_size(state(8192, 8192))
        with pytest.raises(PictureTooLarge):
            check_size(state(8193, 8192))
    check_size(png_that_states(65_000, 1000))
    with pytest.raises(PictureTooLarge):
        check_size(png_that_states(2**31 - 1, 2**31 - 1))


def test_a_large_transparent_picture_is_put_on_white_in_bands(monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, (600, 40, 4), np.uint8)
    data = cv2.imencode(".png", pixels)[1].tobytes()
    whole = np.asarray(decode_rgb(data))
    monkeypatch.setattr(pictures, "BAND", 10_000)
    assert np.array_equal(whole, np.asarray(decode_rgb(data)))


@given(st.binary(max_size=60), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0\x00"]))
def test_bytes_of_any_kind_are_measured_or_left_to_the_decoder(data, head):
    with contextlib.suppress(PictureTooLarge):
        check_size(head + data)
    for take in (plain, decode_rgb, decode):
        with contextlib.suppress(ValueError):
            take(head + data)


def turned(kind: str, turn: int, mode: str = "RGB") -> bytes:
    """A picture with EXIF of several kinds of values."""
    exif = PIL.Image.Exif()
    exif.update({0x0112: turn, 0x010E: "a text", 0x011A: 72.5})
    exif[0x8769] = {0x9003: "2020:01:01", 0x829A: 0.5}
    buffer = io.BytesIO()
    pixels = np.random.default_rng(turn).integers(0, 256, (9, 14, 3), np.uint8)
    PIL.Image.fromarray(pixels).convert(mode).save(buffer, kind, exif=exif)
    return buffer.getvalue()


@pytest.mark.parametrize("turn", range(10))
@pytest.mark.parametrize(
    ("kind", "mode"), [("JPEG", "RGB"), ("JPEG", "L"), ("PNG", "RGB"), ("PNG", "RGBA"), ("PNG", "P")]
)
def test_a_picture_is_turned_as_its_metadata_say(kind, mode, turn):
    with opened(turned(kind, turn, mode)) as image:
        right = PIL.ImageOps.exif_transpose(image)
        assert pictures.upright(image).tobytes() == right.tobytes() and pictures.upright(image).size == right.size


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(
    st.sampled_from([("JPEG", "RGB"), ("PNG", "RGBA"), ("PNG", "P")]),
    st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.sampled_from([0, 1, 2, 5, 12, 255])), min_size=1, max_size=4
    ),
)
def test_odd_metadata_and_headers_are_read_or_told(kind, changes):
    data = bytearray(turned(kind[0], 6, kind[1]))
    for place, value in changes:
        data[int(place * min(len(data), 250))] = value
    for take in (plain, decode_rgb, check_size):
        with contextlib.suppress(ValueError):
            take(whole_chunks(bytes(data)))


def whole_chunks(data: bytes) -> bytes:
    """A changed PNG with the checksums that belong to it."""
    made, at = data[:8], 8
    while data.startswith(b"\x89PNG") and at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            break
        made, at = made + chunk(data[at + 4 : at + 8], data[at + 8 : end]), end + 4
    return made + data[at:] if at > 8 else data


def test_a_turned_picture_whose_other_metadata_are_of_a_wrong_kind_is_read():
    data = turned("JPEG", 6)
    at = data.index(b"Exif\0\0")
    place = data.index(struct.pack(">HH", 0x011A, 5), at)  # the resolution, a fraction
    odd = data[: place + 2] + struct.pack(">H", 2) + data[place + 4 :]  # is a text
    assert decode_rgb(odd).size == (9, 14)
    assert np.array_equal(np.asarray(decode_rgb(odd)), np.asarray(decode_rgb(data)))


def test_a_palette_that_is_missing_is_told():
    data = turned("PNG", 6, "P")
    at = data.index(b"PLTE") - 4
    end = at + 12 + int.from_bytes(data[at : at + 4], "big")
    with pytest.raises(ValueError, match="does not decode: AssertionError"):
        plain(data[:at] + data[end:])


@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from(["JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF"]),
    st.booleans(),
)
def test_the_size_is_found_without_decoding(width, height, kind, progressive):
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (width, height)).save(buffer, kind, **({"progressive": progressive} if kind == "JPEG" else {}))
    seen = pictures._stated(buffer.getvalue()) or pictures._size_by_pillow(buffer.getvalue())
    assert tuple(seen) == (width, height)


def transparent_and_turned() -> dict[str, bytes]:
    pixels = np.random.default_rng(1).integers(0, 256, (24, 32, 4), np.uint8)
    found = {}
    for name, picture, more in (
        ("rgba", PIL.Image.fromarray(pixels), {}),
        ("turned", PIL.Image.fromarray(pixels[..., :3]), {"turn": 6}),
        ("both", PIL.Image.fromarray(pixels), {"turn": 8}),
        ("grey with alpha", PIL.Image.fromarray(pixels).convert("LA"), {}),
        ("plain", PIL.Image.fromarray(pixels[..., :3]), {}),
    ):
        exif = PIL.Image.Exif()
        if "turn" in more:
            exif[0x0112] = more["turn"]
        buffer = io.BytesIO()
        picture.save(buffer, "PNG", **({"exif": exif} if "turn" in more else {}))
        found[name] = buffer.getvalue()
    return found


@pytest.mark.parametrize("name", transparent_and_turned())
def test_the_video_model_the_judge_and_the_server_are_given_one_picture(name):
    data = transparent_and_turned()[name]
    in_process = np.asarray(decode_rgb(data))
    url = content_parts("?", [Image(data)])[0]["image_url"]["url"]
    over_http = np.asarray(PIL.Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGB"))
    assert np.array_equal(in_process, over_http)
    assert np.array_equal(in_process, decode(data)) and np.array_equal(in_process, read_image(data))


def test_a_gallery_leaves_out_what_is_too_large(tmp_path):
    (tmp_path / "a.png").write_bytes(png_that_states(13_000, 13_000))
    (tmp_path / "b.jpg").write_bytes(jpeg_that_states(20_000, 20_000))
    thumbnails = Thumbnails(tmp_path)
    assert [thumbnails.uri(name) for name in ("a.png", "b.jpg")] == [("", "no picture: PictureTooLarge")] * 2
    assert thumbnails.uri("absent.png") == ("", "no picture: FileNotFoundError")
    with pytest.raises(FileNotFoundError), opened(tmp_path / "absent.png"):
        pass


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("length", range(7, 14))
def test_a_png_whose_exif_ends_within_its_head_is_named(length):
    """Pillow raises struct.error for some, which is no ValueError."""
    data, exif = io.BytesIO(), PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.new("RGB", (40, 24)).save(data, "PNG", exif=exif.tobytes()[:length])
    for read in (plain, decode_rgb, decode, read_image, data_url):
        with pytest.raises(ValueError, match="does not decode"):
            read(data.getvalue())
