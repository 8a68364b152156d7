"""First frames that the video's size would cut: told in run.json, refused above the allowed share."""

import json

import cv2
import numpy as np
import pytest

from evaluation.benchmarks.benchmark import BadBenchmark
from evaluation.generation.cutting import CutAway, keeping
from evaluation.generation.generate_runs import generate
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
