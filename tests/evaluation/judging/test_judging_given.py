"""The picture that a video was made of, before the video's frames: shown, told, part of the judge's name and key."""

import dataclasses

import pytest
from pydantic import ValidationError

from assets.support.config_blocks import config_block
from evaluation.judging.judge_runs import judge_runs
from evaluation.judging.looking import GIVEN, planned, told_of
from evaluation.judging.options import JudgingOptions
from evaluation.records import MANIFEST, SAMPLES, Judgement, Sample, VideoRecord, read_lines, write_lines
from media.pictures import decode_rgb
from models.vlm.asking import judge_prompt
from models.vlm.protocol import Image, Video
from storage.files import sha256_bytes, sha256_file
from tests.evaluation.benchmarks.fake_judge import FakeJudge
from tests.evaluation.benchmarks.layouts import picture


@pytest.fixture
def benchmark(run, tmp_path):
    """The pictures that the run's videos were made of: each of its own colour, 40 x 40 for videos of 32 x 32."""
    folder = tmp_path / "benchmark"
    (folder / "images").mkdir(parents=True)
    hashes = {}
    for number, sample in enumerate(read_lines(run / SAMPLES, Sample)):
        (folder / sample.image).write_bytes(picture(number + 1, 40))
        hashes[sample.sample_id] = sha256_file(folder / sample.image)
    videos = read_lines(run / MANIFEST, VideoRecord)
    write_lines(run / MANIFEST, [dataclasses.replace(one, image_sha256=hashes[one.sample_id]) for one in list(videos)])
    return folder


def options(**values) -> JudgingOptions:
    vlm = {"backend": "transformers", "model": "fake/judge-1"}
    return JudgingOptions(vlm=vlm, questions=("task", "agent"), retries=0, **values)


@pytest.mark.parametrize("kind", [JudgingOptions, config_block(JudgingOptions)])
def test_the_scripted_judge_is_refused_a_given_picture(kind):
    """It takes one video; else it would fail at its first question."""
    with pytest.raises(ValidationError, match=r"given and vlm\.backend scripted: that judge looks at videos alone"):
        kind(given="somewhere")


def test_the_judge_sees_the_given_picture_before_the_video(run, benchmark):
    plain, vlm = FakeJudge(), FakeJudge()
    judge_runs([run], options(), plain)
    before = list(read_lines(run / "judgements.jsonl", Judgement))
    judge_runs([run], options(given=str(benchmark), name="given"), vlm)
    made = list(read_lines(run / "judgements.given.jsonl", Judgement))
    assert len(made) == 12 and all(one.yes for one in made) and {one.judge for one in made} == {
        "fake/judge-1;frames=8;given"
    }  # fmt: skip
    assert len(vlm.asked) == 12  # nothing of the other judge's is taken for this one's
    colours = set()
    for prompt, (given, video) in vlm.asked:
        assert isinstance(given, Image) and isinstance(video, Video) and len(video.frames) == 8
        shown = decode_rgb(given.data)
        assert shown.size == (32, 32)  # as the model was given it
        colours.add(shown.getpixel((0, 0)))
        assert prompt.text.startswith(f"{GIVEN}\n\n")
    assert colours == {(number + 1, 0, 100) for number in range(6)}
    assert {one.prompt_hash for one in made}.isdisjoint({one.prompt_hash for one in before})
    assert all(len(media) == 1 and GIVEN not in prompt.text for prompt, media in plain.asked)
    judge_runs([run], options(given=str(benchmark), name="given"), vlm)
    assert len(vlm.asked) == 12  # known


def test_what_a_judge_without_it_sees_keeps_its_key(run):
    """The journals of before hold answers under these keys."""
    video = next(read_lines(run / MANIFEST, VideoRecord))
    look = planned(video, 8, "png")
    told = (video.sha256, tuple(range(8)), tuple(n / 8 for n in range(8)), "png")
    assert look.sha256 == sha256_bytes(repr(told).encode())
    assert planned(video, 8, "png", given=True).sha256 != look.sha256
    assert options().judge_id("m") == "m;frames=8"
    prompt = judge_prompt("task", "Sort.")
    assert told_of(prompt).template_hash != prompt.template_hash == judge_prompt("task", "Other.").template_hash


def test_another_picture_than_the_given_one_is_a_failure_with_its_name(run, benchmark):
    (benchmark / "images" / "2.png").write_bytes(picture(77, 40))
    (benchmark / "images" / "4.png").unlink()
    vlm = FakeJudge()
    judge_runs([run], options(given=str(benchmark)), vlm)
    failed = {one.sample_id: one.failure for one in read_lines(run / "judgements.jsonl", Judgement) if one.failure}
    assert failed.keys() == {"s002", "s004"} and len(vlm.asked) == 8
    assert "undecodable: the given picture" in failed["s002"] and "2.png: its SHA-256 is" in failed["s002"]
    assert "4.png: No such file" in failed["s004"]


def test_a_folder_that_is_not_there_is_told_before_anything_is_asked(run, tmp_path):
    vlm = FakeJudge()
    with pytest.raises(ValueError, match=r"given '.*/nowhere' is no folder: give the folder of the benchmark's"):
        judge_runs([run], options(given=str(tmp_path / "nowhere")), vlm)
    assert not vlm.asked and not (run / "judgements.jsonl").exists()


def test_a_record_without_the_pictures_hash_is_a_failure(run, benchmark):
    """The question would tell of a picture that is not shown."""
    first, *others = list(read_lines(run / MANIFEST, VideoRecord))
    write_lines(run / MANIFEST, [dataclasses.replace(first, image_sha256=""), *others])
    vlm = FakeJudge()
    judge_runs([run], options(given=str(benchmark)), vlm)
    failed = {one.failure for one in read_lines(run / "judgements.jsonl", Judgement) if one.failure}
    assert failed == {"undecodable: the given picture: the run's manifest has no SHA-256 of it"}
    assert len(vlm.asked) == 10
