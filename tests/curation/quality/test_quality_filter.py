"""The low-level filter: every frame comes out once, in order, with what was measured and why it was dropped."""

import threading

import cv2
import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from curation.quality.filter import QUEUED_PER_WORKER, QualityOptions, filter_frames, verdict
from curation.quality.measure import Quality
from curation.schemas import QUALITY

GOOD = {"laplacian_var": 100.0, "mean_luma": 120.0, "luma_std": 50.0, "black_ratio": 0.1, "white_ratio": 0.1}


def mostly(level: int, other: int, share: float = 0.9) -> np.ndarray:
    """A fine pattern of two levels, `share` of the pixels at `level`: sharp, so that only level counts."""
    pattern = np.random.default_rng(0).random((90, 160)) < share
    return np.where(pattern, level, other).astype(np.uint8)


def test_each_kind_of_bad_frame_is_caught_with_its_value(texture, frame_row, tmp_path):
    frames = [
        frame_row("a_00", texture(1, sigma=0.7)),
        frame_row("a_01", cv2.GaussianBlur(texture(1), (0, 0), 15)),
        frame_row("a_02", mostly(2, 60, 0.8)),
        frame_row("a_03", mostly(254, 200, 0.8)),
        frame_row("a_04", mostly(8, 250, 0.88)),
        frame_row("a_05", mostly(250, 100, 0.88)),
        frame_row("a_06", b""),
        frame_row("a_07", b"<script>alert(1)</script>"),
    ]
    rows = list(filter_frames(frames, tmp_path, QualityOptions()))
    assert [row["reason"] for row in rows] == [
        "", "blurred", "too_dark", "too_bright", "mostly_black", "mostly_white", "unreadable_image", "unreadable_image",
    ]  # fmt: skip
    assert [row["status"] for row in rows] == ["kept"] + ["rejected"] * 7
    assert rows[1]["detail"] == f"laplacian_var {rows[1]['laplacian_var']:.6g} < 12.0"
    assert rows[7]["laplacian_var"] is None and "no image OpenCV reads" in rows[7]["detail"]
    table = pa.Table.from_pylist(rows, schema=QUALITY)
    assert set(rows[0]) == set(QUALITY.names) and table.num_rows == len(frames)


def test_the_rows_do_not_depend_on_the_number_of_workers(texture, frame_row, tmp_path):
    frames = [frame_row(f"a_{i:02}", texture(i, 40 + 7 * i, 60 + 5 * i, 1 + i / 4)) for i in range(25)]
    one, four = (list(filter_frames(frames, tmp_path, QualityOptions(), workers)) for workers in (1, 4))
    assert one == four
    assert [row["frame_id"] for row in one] == [row["frame_id"] for row in frames]


def test_frames_are_read_only_a_few_ahead(texture, frame_row, tmp_path):
    row, taken = frame_row("a_00", texture(1)), []

    def endless():
        while True:
            taken.append(1)
            yield row

    judged = filter_frames(endless(), tmp_path, QualityOptions(), workers=2)
    for _ in range(10):
        next(judged)
    judged.close()
    assert len(taken) <= 10 + 2 * QUEUED_PER_WORKER


def test_closing_the_generator_leaves_no_thread(texture, frame_row, tmp_path):
    judged = filter_frames([frame_row("a_00", texture(1))] * 20, tmp_path, QualityOptions(), workers=2)
    next(judged)
    judged.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("quality")]


def test_no_frames_give_no_rows(tmp_path):
    assert list(filter_frames([], tmp_path, QualityOptions())) == []


def test_the_defaults_are_the_papers_thresholds():
    assert QualityOptions().model_dump() == {
        "min_laplacian_var": 12.0,
        "min_mean_luma": 20.0,
        "max_mean_luma": 235.0,
        "max_black_ratio": 0.85,
        "max_white_ratio": 0.85,
    }


@pytest.mark.parametrize(
    ("column", "at_limit", "beyond", "reason"),
    [
        ("laplacian_var", 12.0, 11.99, "blurred"),
        ("mean_luma", 20.0, 19.99, "too_dark"),
        ("mean_luma", 235.0, 235.01, "too_bright"),
        ("black_ratio", 0.85, 0.8501, "mostly_black"),
        ("white_ratio", 0.85, 0.8501, "mostly_white"),
    ],
)
def test_a_value_at_its_limit_is_kept(column, at_limit, beyond, reason):
    assert verdict(Quality(**GOOD | {column: at_limit}), QualityOptions()) == ("", "")
    assert verdict(Quality(**GOOD | {column: beyond}), QualityOptions())[0] == reason


def test_the_most_telling_rule_names_the_reason():
    black = Quality(laplacian_var=0.0, mean_luma=0.0, luma_std=0.0, black_ratio=1.0, white_ratio=0.0)
    white = Quality(laplacian_var=0.0, mean_luma=255.0, luma_std=0.0, black_ratio=0.0, white_ratio=1.0)
    assert verdict(black, QualityOptions()) == ("mostly_black", "black_ratio 1 > 0.85")
    assert verdict(black, QualityOptions(max_black_ratio=1))[0] == "too_dark"
    assert verdict(black, QualityOptions(max_black_ratio=1, min_mean_luma=0)) == ("blurred", "laplacian_var 0 < 12.0")
    assert verdict(white, QualityOptions()) == ("mostly_white", "white_ratio 1 > 0.85")
    assert verdict(white, QualityOptions(max_white_ratio=1))[0] == "too_bright"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"min_laplacian": 3}, "min_laplacian"),
        ({"max_black_ratio": 85}, "max_black_ratio"),
        ({"min_laplacian_var": -1}, "min_laplacian_var"),
        ({"min_mean_luma": 240}, "min_mean_luma 240.0 is above max_mean_luma 235.0"),
    ],
)
def test_a_misspelt_or_impossible_option_is_named(options, words):
    with pytest.raises(ValidationError, match=words):
        QualityOptions(**options)
