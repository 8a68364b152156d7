"""Pairs that say nearly the same are found over all frames, and no others."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.assembly.text_copies import DISTANCE, TextHasher, text_copies, words_of
from tests.curation.assembled import built

PARAGRAPH = (
    "[Man in blue shirt]: Step onto the yellow lane marking. The man in the blue shirt takes three steady steps "
    "forward along the lane, plants both feet on the yellow marking and comes to rest there while the street stays "
    "as it was."
)
SAME = [
    PARAGRAPH.upper(),
    PARAGRAPH.replace(",", ";").replace(" the ", "  the "),
    PARAGRAPH.replace("steady", "slow"),
    PARAGRAPH.replace("three", "four"),
]
OTHER = [
    "[Woman with a red bag]: Open the wooden door. The woman with the red bag walks up to the door, lays her hand on "
    "the handle, pushes it down and swings the door open until it touches the wall behind.",
    PARAGRAPH.replace("Step onto the yellow lane marking", "Sit down on the wooden bench")
    .replace("plants both feet on the yellow marking", "turns around, bends the knees and sits down on the bench")
    .replace("along the lane", "across the grass"),
    "",
]


def distance(one, other):
    return int(np.bitwise_count(np.uint64(one) ^ np.uint64(other)))


@pytest.mark.parametrize("text", SAME)
def test_a_text_and_its_copies_are_near(text):
    assert distance(*TextHasher().hashes([PARAGRAPH, text])) <= DISTANCE


@pytest.mark.parametrize("text", OTHER)
def test_other_texts_are_far(text):
    assert distance(*TextHasher().hashes([PARAGRAPH, text])) > DISTANCE + 4


def test_scripts_without_spaces_have_words_too():
    assert words_of("走到 门口。") == ["走", "到", "门", "口"]
    one, near, far = TextHasher().hashes(
        [
            "他走到门口然后慢慢地停下来看着窗外的雨" * 2,
            "他走到门口,然后慢慢地停下来看着窗外的雨。" * 2,
            "红色的汽车沿着街道向左转弯并驶入车库",
        ]
    )
    assert distance(one, near) <= DISTANCE < distance(one, far)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6)), max_size=30))
def test_copies_are_counted_by_frames(pairs):
    pairs = sorted(pairs, key=lambda pair: pair[1])
    distinct = TextHasher().hashes([PARAGRAPH, *OTHER[:2], "red green blue"])
    hashes = np.array([distinct[text] for text, _ in pairs], np.uint64)
    frames = np.array([frame for _, frame in pairs], np.int64)
    copies, place, first = text_copies(hashes, frames)
    for number, (text, frame) in enumerate(pairs):
        holders = {other for said, other in pairs if said == text}
        assert copies[number] == len(holders) - 1
        assert place[number] == sum(other < frame for other in holders)
        assert first[number] == min(holders)


def test_the_hash_depends_on_the_text_alone():
    texts = [PARAGRAPH, *SAME, *OTHER]
    hasher = TextHasher()
    assert hasher.hashes(texts).tolist() == [TextHasher().hashes([text])[0] for text in texts]
    assert TextHasher().hashes(["go"]).tolist() == [int(TextHasher().hashes(["Go."])[0])]


def test_the_table_counts_them_over_all_shards_and_a_limit_keeps_the_first(collection, scattered, tmp_path):
    said = ["walk to the red door at the end of the hall", "turn the big wheel to the left", "sit down on the bench"]
    for clip, words in enumerate([0, 0, 1, 0, 2, 0]):
        collection.frame(f"clip{clip}", 0, scattered(clip), pairs=1, text=said[words])
    facts, rows = built(collection, tmp_path / "all.parquet", shards=3)
    assert [row["text_copies"] for row in rows] == [3, 3, 0, 3, 0, 3]
    assert facts["pairs_of_like_text"] == 4 and "repeated_text" not in facts["reasons"]
    _, rows = built(collection, tmp_path / "some.parquet", shards=2, max_text_copies=2)
    dropped = {row["frame_id"]: row["detail"] for row in rows if row["reason"] == "repeated_text"}
    assert dropped == {"clip3_00000000": "clip0_00000000", "clip5_00000000": "clip0_00000000"}


def test_pictures_that_are_gone_anyway_count_nothing(collection, scattered, tmp_path):
    for clip in range(3):
        collection.frame(f"clip{clip}", 0, scattered(0), pairs=1)
    _, rows = built(collection, tmp_path / "all.parquet", max_text_copies=1)
    assert [row["text_copies"] for row in rows] == [0, 0, 0]
    assert [row["reason"] for row in rows][1:] == ["near_duplicate"] * 2
