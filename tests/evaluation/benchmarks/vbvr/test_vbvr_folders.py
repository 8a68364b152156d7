"""VBVR-Bench's released folders: read whole, and nothing of a hostile listing is written."""

import base64
import json

import pytest

from evaluation.benchmarks.vbvr import released, steps
from evaluation.benchmarks.vbvr.options import VbvrOptions
from tests.evaluation.benchmarks import layouts


def test_samples_are_read_by_split_task_and_number(vbvr):
    version, samples = released.read_benchmark(vbvr)
    assert version.startswith("vbvr-") and len(samples) == 8
    first = samples[0]
    assert first.sample_id == "In-Domain_50--G-0_sort_things_data-generator--00000"
    assert first.group == "In-Domain_50/G-0_sort_things_data-generator" and (vbvr / first.image).is_file()
    assert first.task.startswith("Sort all 0 things") and not first.task.endswith("\n")
    assert released.video_name(first) == "In-Domain_50/G-0_sort_things_data-generator/00000.mp4"


def test_the_listing_alone_is_unpacked_into_the_same_samples(vbvr, tmp_path):
    bare = layouts.vbvr(tmp_path / "bare", 2, 2, folders=False)
    with pytest.raises(FileNotFoundError, match="First unpack"):
        released.read_benchmark(bare)
    assert steps.unpack_step(VbvrOptions(step="unpack", benchmark=bare)) == 8
    assert released.read_benchmark(bare) == released.read_benchmark(vbvr)


def test_the_full_release_counts_and_a_smaller_one_is_told(tmp_path):
    _, samples = released.read_benchmark(layouts.vbvr(tmp_path, 50, 5, listed=False))
    assert released.count_complaints(samples) == []
    told = released.count_complaints(samples[1:])
    assert told[0] == "499 samples instead of 500" and "not 5 samples of G-0_sort" in told[1]


def entry(**values) -> dict:
    place = "In-Domain_50/G-1_task/00000/first_frame.png"
    image = base64.b64encode(layouts.picture()).decode()
    return {"prompt": "Sort.", "first_image": image, "first_frame_path": place} | values


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([entry(first_frame_path="../../etc/first_frame.png")], "first_frame_path"),
        ([entry(first_frame_path="In-Domain_50/../00000/first_frame.png")], "first_frame_path"),
        ([entry(first_frame_path="/etc/G-1/00000/first_frame.png")], "first_frame_path"),
        ([entry(first_image="no base64!")], "not a picture"),
        ([entry(first_image=base64.b64encode(b"GIF89a").decode())], "not a picture"),
        ([entry(prompt="")], "prompt"),
        ([entry(), entry()], "two entries"),
        ({"entries": []}, "list"),
    ],
)
def test_a_hostile_listing_is_refused(tmp_path, entries, said):
    (tmp_path / "VBVR-Bench.json").write_text(json.dumps(entries))
    with pytest.raises(ValueError, match=said):
        released.unpack(tmp_path / "VBVR-Bench.json", tmp_path / "out")
    assert not list(tmp_path.glob("out/**/*.png"))


@pytest.mark.parametrize("text", ['[{"prompt": NaN}]', "[" * 100_000, '{"a": 1, "a": 2}', "\xff"])
def test_a_listing_that_is_no_json_is_refused(tmp_path, text):
    (tmp_path / "VBVR-Bench.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=r"VBVR-Bench\.json"):
        released.unpack(tmp_path / "VBVR-Bench.json", tmp_path)


def test_a_sample_without_its_first_frame_or_prompt_is_an_error(vbvr):
    place = next(vbvr.glob("In-Domain_50/*/00001"))
    (place / "prompt.txt").write_text("\n")
    with pytest.raises(ValueError, match="is empty"):
        released.read_benchmark(vbvr)
    (place / "first_frame.png").unlink()
    with pytest.raises(ValueError, match=r"has no first_frame\.png"):
        released.read_benchmark(vbvr)


def test_a_link_out_of_the_folder_is_refused(vbvr, tmp_path):
    place = next(vbvr.glob("In-Domain_50/*/00001")) / "prompt.txt"
    place.unlink()
    (tmp_path / "secret").write_text("secret")
    place.symlink_to(tmp_path / "secret")
    with pytest.raises(ValueError, match="leaves"):
        released.read_benchmark(vbvr)
