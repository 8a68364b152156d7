"""First frames that the video's size would cut: told in run.json, refused above the allowed share."""

import io
import json
import struct
import zlib
from dataclasses import replace
from random import Random

import cv2
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from evaluation.benchmarks.benchmark import BadBenchmark
from evaluation.generation.cutting import CutAway, keeping, known_cut
from evaluation.generation.generate_runs import generate
from evaluation.generation.sources import open_benchmark
from evaluation.images import UnreadableImage, picture_size, read_image
from evaluation.records import CUT, MANIFEST, RUN, RunRecord, read_one
from models.video.pixels import cut_share


def picture(bench, number: int, height: int, width: int) -> None:
    pixels = np.zeros((height, width, 3), np.uint8)
    (bench.folder / "bench" / "images" / f"{number}_1.png").write_bytes(cv2.imencode(".png", pixels)[1].tobytes())


def test_the_share_that_each_first_frame_loses_is_in_the_runs_record(bench, tmp_path, quiet):
    picture(bench, 1, 32, 40)
    generate(bench.options(tmp_path / "run"), quiet)
    assert read_one(tmp_path / "run" / RUN, RunRecord).extra[CUT] == {
        "largest": 0.2,
        "mean": pytest.approx(0.2 / 3, abs=1e-6),
        "shares": {"1_1": 0.2},
    }


def test_a_frame_that_loses_more_than_allowed_stops_generation_before_anything_is_made(
    bench, tmp_path, quiet, unloadable
):
    for number in range(3):
        picture(bench, number, 36, 64)
    unloadable()
    with pytest.raises(CutAway, match=r"44% of the first frame of 0_1 .*height 24 x width 40 cuts at most 6") as told:
        generate(bench.options(tmp_path / "run"), quiet)
    assert isinstance(told.value, BadBenchmark) and "max_cut_share" in str(told.value)
    assert not (tmp_path / "run" / RUN).exists()


def test_more_may_be_cut_where_the_options_say_so_and_a_finished_run_goes_on(bench, tmp_path, quiet, unloadable):
    picture(bench, 2, 32, 64)
    generate(bench.options(tmp_path / "run", max_cut_share=0.5), quiet)
    assert read_one(tmp_path / "run" / RUN, RunRecord).extra[CUT]["largest"] == 0.5
    unloadable()
    assert generate(bench.options(tmp_path / "run"), quiet).made == 0
    (tmp_path / "run" / MANIFEST).unlink()
    with pytest.raises(CutAway):
        generate(bench.options(tmp_path / "run"), quiet)


def test_a_record_of_a_version_that_knew_no_cuts_goes_on(bench, tmp_path, quiet, unloadable):
    generate(bench.options(tmp_path / "run"), quiet)
    path = tmp_path / "run" / RUN
    record = json.loads(path.read_text())
    del record["extra"][CUT]
    path.write_text(json.dumps(record))
    unloadable()
    assert generate(bench.options(tmp_path / "run"), quiet).made == 0


@pytest.mark.parametrize(
    ("pictures", "video", "right"),
    [
        ([(1024, 1024)], (448, 768), (576, 576)),
        ([(1080, 1920)], (512, 512), (416, 736)),
        ([(720, 1280), (800, 1280)], (512, 512), None),
        ([(64, 64)], (32, 64), (48, 48)),
    ],
)
def test_the_size_that_is_named_keeps_the_pictures(pictures, video, right):
    best, cut = keeping(pictures, video)
    assert right is None or best == right
    assert cut == pytest.approx(max(cut_share(one, best) for one in pictures), abs=1e-3) and cut < 0.1
    assert 0.75 <= best[0] * best[1] / (video[0] * video[1]) <= 1.25


def test_pictures_of_all_shapes_are_told_that_no_one_size_keeps_them(bench, tmp_path, quiet):
    picture(bench, 0, 32, 96)
    picture(bench, 1, 96, 32)
    with pytest.raises(CutAway, match="No size keeps them all"):
        generate(bench.options(tmp_path / "run"), quiet)


def encoded(kind: str, turned: int | None, mode: str = "RGB") -> bytes:
    exif, data = Image.Exif(), io.BytesIO()
    if turned is not None:
        exif[0x0112] = turned
    Image.new(mode, (40, 24)).save(data, kind, exif=exif)
    return data.getvalue()


@pytest.mark.parametrize("turned", [None, *range(10)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_pictures_size_is_that_of_its_decoded_pixels(tmp_path, kind, turned):
    data = encoded(kind, turned)
    (tmp_path / "it").write_bytes(data)
    assert picture_size(tmp_path / "it") == read_image(data).shape[:2]


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "I;16"])
def test_nor_does_the_kind_of_pixels_change_it(tmp_path, mode):
    data = encoded("PNG", 6, mode)
    (tmp_path / "it").write_bytes(data)
    assert picture_size(tmp_path / "it") == read_image(data).shape[:2]


XMP = '<rdf:Description tiff:Orientation="6"/>'


def in_xmp(kind: str) -> bytes:
    """A picture whose orientation stands in XMP alone."""
    text, data = PngInfo(), io.BytesIO()
    text.add_itxt("XML:com.adobe.xmp", XMP)
    Image.new("RGB", (40, 24)).save(data, kind, **({"pnginfo": text} if kind == "PNG" else {"xmp": XMP.encode()}))
    return data.getvalue()


def behind_the_pixels() -> bytes:
    """A PNG whose EXIF comes behind its pixels, as PNG allows."""
    data, exif = encoded("PNG", None), Image.Exif()
    exif[0x0112] = 6
    chunk = b"eXIf" + exif.tobytes()[6:]
    whole = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return data[:-12] + whole + data[-12:]


@pytest.mark.parametrize("data", [in_xmp("JPEG"), in_xmp("PNG"), behind_the_pixels()], ids=["JPEG", "PNG", "behind"])
def test_an_orientation_counts_wherever_it_stands(tmp_path, data):
    (tmp_path / "it").write_bytes(data)
    assert picture_size(tmp_path / "it") == read_image(data).shape[:2] == (40, 24)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_exif_turns_a_picture_for_both_readers_or_for_none(tmp_path):
    whole, path, random = encoded("JPEG", 6), tmp_path / "it", Random(1)
    exif = whole.index(b"Exif")
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(random.randrange(1, 5)):
            data[exif + random.randrange(32)] = random.randrange(256)
        path.write_bytes(data)
        assert picture_size(path) == read_image(bytes(data)).shape[:2]


def test_a_size_is_read_from_the_header_and_what_is_no_picture_has_none(tmp_path, monkeypatch):
    path = tmp_path / "it"
    for data in (b"", b"<html>", encoded("PNG", None)[:12]):
        path.write_bytes(data)
        with pytest.raises(UnreadableImage):
            picture_size(path)
    monkeypatch.setattr("evaluation.images.read_image", lambda data: pytest.fail("decoded"))
    for kind in ("JPEG", "PNG"):
        path.write_bytes(encoded(kind, 8))
        assert picture_size(path) == (40, 24)


def test_a_finished_run_looks_at_no_picture_for_its_cuts(bench, tmp_path, quiet, monkeypatch):
    picture(bench, 1, 32, 40)
    generate(bench.options(tmp_path / "run"), quiet)
    before = (tmp_path / "run" / RUN).read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr("evaluation.generation.cutting.picture_size", lambda path: pytest.fail("read"))
        assert generate(bench.options(tmp_path / "run"), quiet).made == 0
    assert (tmp_path / "run" / RUN).read_bytes() == before


def test_what_may_have_changed_is_looked_at_again(bench, tmp_path, quiet):
    folder = tmp_path / "run"
    options = bench.options(folder)
    known = open_benchmark(options.benchmark)
    assert known_cut(options, known) is None
    generate(options, quiet)
    assert known_cut(options, known) == read_one(folder / RUN, RunRecord).extra[CUT]
    wider = bench.options(folder, model=bench.model | {"width": 40})
    assert known_cut(wider, known) is None
    assert known_cut(bench.options(folder, samples=2), known) is None
    assert known_cut(bench.options(folder, replace=True), known) is None
    assert known_cut(options, replace(known, version="other")) is None
    lines = (folder / MANIFEST).read_text().splitlines()
    # A picture that was missing may be there now.
    lines[-1] = json.dumps(json.loads(lines[-1]) | {"failure": "image_missing: x"})
    (folder / MANIFEST).write_text("".join(f"{line}\n" for line in lines))
    assert known_cut(options, known) is None
    (folder / MANIFEST).write_text("{")
    assert known_cut(options, known) is None
