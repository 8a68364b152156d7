"""DreamGen's released folders: their names with their oddities, and what of them is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.benchmarks.dreamgen.released import EXPECTED, count_complaints, instruction, read_benchmark, video_name
from evaluation.records import Sample
from tests.evaluation.benchmarks import layouts
from tests.evaluation.benchmarks.dreamgen.dreamgen_rig import FULL, FULL_GROUPS


def test_prompts_come_from_text_files_and_from_names(dreamgen):
    _, samples = read_benchmark(dreamgen)
    assert [sample.sample_id for sample in samples[:3]] == ["gr1_object-0", "gr1_object-1", "gr1_object-2"]
    assert [sample.group for sample in samples] == ["object"] * 3 + ["behavior"] * 3 + ["environment"] * 3
    first, odd, missing = samples[:3]
    assert first.task == (
        "Use the right hand to pick up the red apple from the tray to the bowl 0. The robot stands still."
    )
    assert first.image.endswith("0..png") and instruction(first).endswith("to the bowl 0.")
    assert odd.image.endswith("1.png") and odd.task.endswith("The robot stands still.")  # its text is at 1..txt
    assert missing.task == instruction(missing) == "Use the right hand to stir with spoon, slowly 2."


def test_names_with_underscores_read_as_words(tmp_path):
    layouts.dreamgen(tmp_path, {"robocasa": 3})
    _, samples = read_benchmark(tmp_path, ["robocasa"])
    assert instruction(samples[2]) == "close the cabinet door 2, from left, right and wrist view"
    assert video_name(samples[2]) == "robocasa/2_close_the_cabinet_door_2,_from_left,_right_and_wrist_view.mp4"


def test_the_version_changes_with_an_image_and_with_a_prompt(dreamgen):
    before, samples = read_benchmark(dreamgen)
    assert read_benchmark(dreamgen)[0] == before
    (dreamgen / samples[0].image).write_bytes(layouts.picture(99))
    changed, _ = read_benchmark(dreamgen)
    (dreamgen / samples[0].image).with_suffix(".txt").write_text("Another one.")
    assert len({before, changed, read_benchmark(dreamgen)[0]}) == 3


def test_the_download_may_lie_one_folder_down(tmp_path):
    layouts.dreamgen(tmp_path / "dream_gen_benchmark", {"gr1_object": 2})
    _, samples = read_benchmark(tmp_path, ["object"])
    assert (tmp_path / samples[0].image).is_file()


def test_the_full_release_counts_and_a_smaller_one_is_told(tmp_path):
    layouts.dreamgen(tmp_path, {**FULL, "robocasa": 48})
    _, samples = read_benchmark(tmp_path, EXPECTED)
    assert count_complaints(samples, EXPECTED) == []
    assert count_complaints(samples[1:], FULL_GROUPS) == ["object: 49 samples instead of 50"]
    assert count_complaints(samples[:-5], EXPECTED) == ["robocasa: 43 samples instead of 49 or 48"]


def test_a_number_that_comes_twice_still_gives_ids_of_its_own(tmp_path):
    for words in ("close box", "open box"):
        (tmp_path / "gr1_object").mkdir(exist_ok=True)
        (tmp_path / "gr1_object" / f"7_{words}.png").write_bytes(layouts.picture())
    _, samples = read_benchmark(tmp_path, ["object"])
    assert len({sample.sample_id for sample in samples}) == 2
    assert all(sample.sample_id.startswith("gr1_object-7-") for sample in samples)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cover.png", "the name must be like"),
        ("3_.png", "the name must be like"),
        ("0_Use the right hand to pick up the red apple from the tray to the bowl 0..jpg", "two images"),
    ],
)
def test_a_name_that_cannot_be_placed_is_an_error(dreamgen, name, said):
    (dreamgen / "gr1_object" / name).write_bytes(layouts.picture())
    with pytest.raises(ValueError, match=said):
        read_benchmark(dreamgen)


def test_a_missing_group_says_what_is_expected(tmp_path):
    with pytest.raises(FileNotFoundError, match="gr1_object"):
        read_benchmark(tmp_path)


@pytest.mark.parametrize("suffix", [".png", ".txt"])
def test_links_out_of_the_folder_are_refused(dreamgen, tmp_path, suffix):
    secret = tmp_path / "secret"
    secret.write_bytes(layouts.picture())
    if suffix == ".txt":
        (dreamgen / "gr1_env" / "9_wave.png").write_bytes(layouts.picture())
    (dreamgen / "gr1_env" / f"9_wave{suffix}").symlink_to(secret)
    with pytest.raises(ValueError, match="leaves"):
        read_benchmark(dreamgen)


@pytest.mark.parametrize("data", [b"\xff\xfe", b"x" * 70_000])
def test_a_prompt_that_is_no_text_or_too_long_is_an_error(dreamgen, data):
    (dreamgen / "gr1_env" / "9_wave.png").write_bytes(layouts.picture())
    (dreamgen / "gr1_env" / "9_wave.txt").write_bytes(data)
    with pytest.raises(ValueError, match=r"9_wave\.txt"):
        read_benchmark(dreamgen)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=400))
def test_export_names_are_one_file_in_their_folder(words):
    name = video_name(Sample("x", f"gr1_object/3_{words.replace('/', '')}x.png", "t"))
    folder, file = name.split("/")
    assert folder == "gr1_object" and len(file.encode()) <= 255 and file.endswith(".mp4")
    assert not set(file) & set("/\\\n\r\t\0") and file not in (".", "..")


def test_generation_takes_the_samples(dreamgen):
    from evaluation.benchmarks.benchmark import check_samples
    from evaluation.generation.sources import DreamgenSource, open_benchmark

    found = open_benchmark(DreamgenSource(path=str(dreamgen)))
    check_samples(found.samples, [sample.image for sample in found.samples])
    assert found.version.startswith("eval175-") and (found.folder / found.samples[0].image).is_file()
