"""DreamGen: the released names with their oddities, exports, judging and the table."""

import csv
import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.benchmarks.dreamgen import __main__ as command
from evaluation.benchmarks.dreamgen import steps
from evaluation.benchmarks.dreamgen.asking import JOURNAL, JUDGEMENTS, judge
from evaluation.benchmarks.dreamgen.looking import scaled, uniform_indices
from evaluation.benchmarks.dreamgen.options import DreamgenJudgeOptions, DreamgenOptions
from evaluation.benchmarks.dreamgen.outputs import warnings
from evaluation.benchmarks.dreamgen.released import EXPECTED, count_complaints, instruction, read_benchmark, video_name
from evaluation.benchmarks.dreamgen.table import table
from evaluation.benchmarks.named_videos import read_run
from evaluation.judging.video_judge import JudgeGone
from evaluation.records import Judgement, Sample, read_lines, write_lines
from evaluation.scoring.judged_run import Incomplete
from models.vlm.protocol import Image, Video, VLMUnavailable
from stats.rates import interval
from storage.journal import Journal
from tests.evaluation.benchmarks import fake_judge, layouts

FULL = {"gr1_object": 50, "gr1_behavior": 47, "gr1_env": 29}


def frames_of(path: Path, expected: int) -> np.ndarray:
    return np.full((expected, 20, 40, 3), len(path.read_bytes()), np.uint8)


def options(**values) -> DreamgenJudgeOptions:
    return DreamgenJudgeOptions(frames=3, retries=0, **values)


# The released folders


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
    assert count_complaints(samples[1:], FULL_GROUPS) == ["object: 49 samples, 50 are expected"]
    assert count_complaints(samples[:-5], EXPECTED) == ["robocasa: 43 samples, 49 or 48 are expected"]


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
        ("cover.png", "a name like"),
        ("3_.png", "a name like"),
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


# Exports


def test_videos_come_under_the_benchmarks_names_with_a_manifest(dreamgen, tmp_path):
    _, samples = read_benchmark(dreamgen)
    folder = layouts.run(tmp_path / "run", samples, failed=["gr1_env-2"])
    report = steps.export_step(DreamgenOptions(step="export", run=folder, benchmark=dreamgen))
    place = folder / "dreamgen" / "videos"
    assert len(report.videos) == 8 and report.missing == ["gr1_env-2: refused: no prompt"]
    for one in report.videos:
        # What the benchmark's script makes of the name is the instruction.
        parsed = Path(one.path).stem.split("_", 1)[1].replace("_", " ")
        sample = next(sample for sample in samples if sample.sample_id == one.sample_id)
        assert parsed == instruction(sample) and (place / one.path).is_file()
    assert [one["prompt"] for one in map(json.loads, (place / "manifest.jsonl").read_text().splitlines())] == [
        sample.task for sample in samples[:8]
    ]
    batch = json.loads((folder / "dreamgen" / "batch_input.json").read_text())
    assert len(batch) == 9 and set(batch[0]) == {"input_video", "prompt", "output_video"}
    assert Path(batch[0]["input_video"]).is_file() and Path(batch[0]["output_video"]).is_file()


def test_a_second_export_leaves_no_video_of_the_first_behind(dreamgen, tmp_path):
    _, samples = read_benchmark(dreamgen)
    folder = layouts.run(tmp_path / "run", samples)
    first = steps.export_step(DreamgenOptions(step="export", run=folder))
    layouts.run(folder, samples[:4])
    steps.export_step(DreamgenOptions(step="export", run=folder))
    there = [one.path for one in first.videos if (folder / "dreamgen/videos" / one.path).exists()]
    assert there == [one.path for one in first.videos[:4]]


def test_a_path_that_the_scripts_misread_is_told(tmp_path):
    assert "hunyuan" in warnings(tmp_path / "HunyuanVideo-1.5", [])[0]


def test_a_video_that_changed_after_generation_is_refused(dreamgen, tmp_path):
    _, samples = read_benchmark(dreamgen)
    folder = layouts.run(tmp_path / "run", samples)
    (folder / "videos/0-0.mp4").write_bytes(b"another")
    with pytest.raises(ValueError, match="generate it again"):
        steps.export_step(DreamgenOptions(step="export", run=folder))


def test_several_seeds_want_a_choice(dreamgen, tmp_path):
    _, samples = read_benchmark(dreamgen)
    folder = layouts.run(tmp_path / "run", samples, seeds=(0, 1))
    with pytest.raises(ValueError, match=r"seeds \[0, 1\]"):
        read_run(folder)
    assert len(read_run(folder, 1).videos) == 9


# Judging


@given(st.integers(1, 300), st.integers(2, 60))
def test_frames_are_those_of_the_published_script(total, wanted):
    expected = np.linspace(0, total - 1, wanted, dtype=int) if total >= wanted else np.arange(total)
    padded = [*expected, *[total - 1] * (wanted - len(expected))]
    ours = uniform_indices(total, wanted)
    assert list(ours) == padded and ours[0] == 0 and ours[-1] == total - 1


def test_stills_are_scaled_for_following_and_not_for_physics(dreamgen, tmp_path, judge_vlm):
    _, samples = read_benchmark(dreamgen)
    run = read_run(layouts.run(tmp_path / "run", samples[:1]))
    (made, *_) = [judge(run, options(shortest_side=1), vlm=judge_vlm, read=frames_of)]
    assert [one.question for one in made] == [
        "dreamgen_following",
        "dreamgen_following_strict",
        "dreamgen_physics",
    ]
    assert made[0].frames == (0, 29, 59) and made[0].times_s == (0.0, 7.25, 14.75) and made[0].yes and made[0].text
    by_name = {prompt.name: media for prompt, media in judge_vlm.asked}
    assert [type(one) for one in by_name["dreamgen_following"]] == [Image] * 3
    (video,) = by_name["dreamgen_physics"]
    assert isinstance(video, Video) and len(video.frames) == 3
    from models.vlm.chat_content import decode_rgb

    assert decode_rgb(by_name["dreamgen_following"][0].data).size == (12, 6)
    assert decode_rgb(video.frames[0]).size == (40, 20)
    assert instruction(samples[0]) in judge_vlm.asked[0][0].text


def test_small_frames_are_not_scaled_to_nothing():
    assert scaled(np.zeros((1, 32, 64, 3), np.uint8), 0.3, 28).shape == (1, 28, 56, 3)
    assert scaled(np.zeros((1, 8, 8, 3), np.uint8), 0.3, 28).shape == (1, 8, 8, 3)


def test_a_judged_run_asks_nothing_again(dreamgen, tmp_path, judge_vlm):
    _, samples = read_benchmark(dreamgen)
    run = read_run(layouts.run(tmp_path / "run", samples))
    first = judge(run, options(), vlm=judge_vlm, read=frames_of)
    again = fake_judge.FakeJudge(lambda prompt: AssertionError("asked again"))
    assert judge(run, options(), vlm=again, read=frames_of) == first and not again.asked


def test_failures_are_kept_as_failures(dreamgen, tmp_path):
    _, samples = read_benchmark(dreamgen)
    run = read_run(layouts.run(tmp_path / "run", samples[:3], failed=["gr1_object-1"]))

    def read(path: Path, expected: int) -> np.ndarray:
        if path.name == "2-0.mp4":
            raise ValueError("empty: no frames")
        return frames_of(path, expected)

    refusing = fake_judge.FakeJudge(
        lambda prompt: VLMUnavailable("timeout", "no answer") if prompt.name == "dreamgen_physics" else -2.0
    )
    made = {(one.sample_id, one.question): one for one in judge(run, options(), vlm=refusing, read=read)}
    assert len(made) == 9
    assert made["gr1_object-0", "dreamgen_following"].yes is False
    assert made["gr1_object-0", "dreamgen_physics"].failure == "timeout: no answer"
    assert made["gr1_object-1", "dreamgen_following"].failure == "undecodable: no video was made: refused: no prompt"
    assert made["gr1_object-2", "dreamgen_following"].failure == "undecodable: empty: no frames"
    assert all(one.log_odds is None for one in made.values() if one.failure)


def test_judgements_of_other_seeds_stay(dreamgen, tmp_path, judge_vlm):
    _, samples = read_benchmark(dreamgen)
    folder = layouts.run(tmp_path / "run", samples[:2], seeds=(0, 1))
    for seed in (0, 1, 1):
        judge(read_run(folder, seed), options(), vlm=judge_vlm, read=frames_of)
    assert len(list(read_lines(folder / JUDGEMENTS, Judgement))) == 12


def test_a_judge_that_is_gone_is_not_asked_for_ever(dreamgen, tmp_path):
    _, samples = read_benchmark(dreamgen)
    run = read_run(layouts.run(tmp_path / "run", samples))
    dead = fake_judge.FakeJudge(lambda prompt: VLMUnavailable("connection", "refused"))
    with pytest.raises(JudgeGone, match="4 requests in a row"):
        judge(run, options(give_up_after=4, concurrency=1), vlm=dead, read=frames_of)
    made = list(read_lines(run.folder / JUDGEMENTS, Judgement))
    assert len(made) == 27 and {one.failure.split(":")[0] for one in made} == {"unavailable"}
    assert len(dead.asked) < 27
    judge(run, options(), vlm=fake_judge.FakeJudge(), read=frames_of)
    assert not any(one.failure for one in read_lines(run.folder / JUDGEMENTS, Judgement))


def test_the_server_is_given_as_many_requests_as_the_judge_may_have(dreamgen, tmp_path, monkeypatch):
    _, samples = read_benchmark(dreamgen)
    run = read_run(layouts.run(tmp_path / "run", samples[:1]))
    built = []
    monkeypatch.setattr(
        "evaluation.benchmarks.dreamgen.asking.build_vlm", lambda vlm: built.append(vlm) or fake_judge.FakeJudge()
    )
    judge(run, options(concurrency=64), read=frames_of)
    assert built[0].concurrency == 64


def test_what_the_model_itself_refused_is_not_asked_again(dreamgen, tmp_path):
    _, samples = read_benchmark(dreamgen)
    run = read_run(layouts.run(tmp_path / "run", samples[:1]))
    refusing = fake_judge.FakeJudge(lambda prompt: VLMUnavailable("no_answer", "0.6 for Maybe", "Maybe"))
    made = judge(run, options(), vlm=refusing, read=frames_of)
    assert made[0].failure.startswith("malformed: ") and made[0].text == "Maybe"
    again = fake_judge.FakeJudge()
    assert judge(run, options(), vlm=again, read=frames_of) == made and not again.asked


CHILD = """
import asyncio, sys
from tests.evaluation.benchmarks import fake_judge
from evaluation.benchmarks.dreamgen import asking
class Slow(fake_judge.FakeJudge):
    async def log_odds(self, question, media):
        await asyncio.sleep(0 if len(self.asked) < 3 else 600)
        return await super().log_odds(question, media)
asking.build_vlm = lambda options: Slow()
from evaluation.benchmarks.dreamgen.__main__ import main
sys.exit(main(["--config", {config!r}]))
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 3), (signal.SIGKILL, -9)])
def test_a_stopped_judging_keeps_its_answers(dreamgen, tmp_path, repository, number, status):
    _, samples = read_benchmark(dreamgen)
    folder = layouts.run(tmp_path / "run", samples[:3], pixels=True)
    chosen = {"step": "score", "run": str(folder), "judge": {"frames": 3, "concurrency": 1}}
    code = CHILD.format(config=config(tmp_path / "c", **chosen))
    child = subprocess.Popen([sys.executable, "-c", code], cwd=repository)
    until = time.monotonic() + 120
    while time.monotonic() < until and child.poll() is None and answers(folder) < 3:
        time.sleep(0.2)
    child.send_signal(number)
    assert child.wait(60) == status
    kept = answers(folder)
    assert kept >= 3
    again = fake_judge.FakeJudge()
    steps.score_step(DreamgenOptions(**chosen), again)
    assert len(again.asked) == 9 - kept


def answers(folder: Path) -> int:
    if not (folder / JOURNAL).exists():
        return 0
    with Journal(folder / JOURNAL) as journal:
        return len(journal)


def test_real_vlm_classes_take_stills_and_footage(dreamgen, tmp_path):
    """A tiny random Qwen, so the answers mean nothing; what is held is that both kinds of media reach a real model."""
    from models.vlm.transformers_local import TransformersVLM
    from tests.models.vlm import tiny_qwen

    _, samples = read_benchmark(dreamgen)
    run = read_run(layouts.run(tmp_path / "run", samples[:1], pixels=True))
    vlm = TransformersVLM(str(tiny_qwen.build(tmp_path / "qwen", "qwen2_5_vl")), device="cpu")
    made = judge(run, DreamgenJudgeOptions(frames=49), vlm=vlm)
    assert not any(one.failure for one in made) and all(np.isfinite(one.log_odds) for one in made)
    assert [len(one.frames) for one in made] == [49, 49, 5] and made[0].judge.endswith(";frames=49@0.3")


def test_generation_takes_the_samples(dreamgen):
    from evaluation.benchmarks.benchmark import check_samples
    from evaluation.generation.sources import DreamgenSource, open_benchmark

    found = open_benchmark(DreamgenSource(path=str(dreamgen)))
    check_samples(found.samples, [sample.image for sample in found.samples])
    assert found.version.startswith("eval175-") and (found.folder / found.samples[0].image).is_file()


# The table


def judged(run, good: dict[str, int], question: str = "dreamgen_following") -> list[Judgement]:
    """Judgements of every video: the first `good[group]` of each group succeed."""
    made, seen = [], {}
    for sample in run.samples.values():
        seen[sample.group] = seen.get(sample.group, 0) + 1
        yes = seen[sample.group] <= good[sample.group]
        video = run.videos[sample.sample_id]
        made.append(
            Judgement(
                video.video_id,
                sample.sample_id,
                question,
                1,
                "fake",
                "h",
                video.sha256,
                log_odds=1.0 if yes else -1.0,
                yes=yes,
            )
        )
    return made


@pytest.fixture(scope="module")
def full_run(tmp_path_factory):
    root = tmp_path_factory.mktemp("full")
    layouts.dreamgen(root / "eval175", FULL)
    _, samples = read_benchmark(root / "eval175")
    return read_run(layouts.run(root / "run", samples))


def test_published_counts_give_the_published_percentages(full_run):
    made = table(full_run, judged(full_run, {"object": 35, "behavior": 27, "environment": 17}), list(FULL_GROUPS))
    rates = [row.rates["IF (default)"] for row in made.rows]
    assert [f"{100 * rate.share:.1f}" for rate in rates] == ["70.0", "57.4", "58.6"]
    assert [rate.valid for rate in rates] == [50, 47, 29]
    assert rates[0].interval == interval(35, 50)
    assert "0.700 [0.562, 0.809] 35/50" in made.to_markdown() and "50 of 50" in made.to_markdown()


FULL_GROUPS = ("object", "behavior", "environment")


def test_a_table_of_less_than_all_is_refused_with_the_names(full_run):
    good = {"object": 35, "behavior": 27, "environment": 17}
    most = judged(full_run, good)[1:]
    with pytest.raises(Incomplete, match=r"object: 1 not judged on IF \(default\): gr1_object-0"):
        table(full_run, most, FULL_GROUPS)
    partial = table(full_run, most, FULL_GROUPS, allow_partial=True)
    assert partial.rows[0].rates["IF (default)"].valid == 49
    assert any(note.startswith("PARTIAL") for note in partial.notes)


def test_nothing_judged_is_refused(full_run):
    with pytest.raises(Incomplete, match="nothing is judged"):
        table(full_run, [], FULL_GROUPS)


def test_a_failed_judgement_is_counted_beside_the_rate(full_run):
    first, *others = judged(full_run, {"object": 35, "behavior": 27, "environment": 17})
    lost = replace(first, log_odds=None, yes=None, failure="timeout: no answer")
    made = table(full_run, [lost, *others], FULL_GROUPS)
    rate = made.rows[0].rates["IF (default)"]
    assert (rate.successes, rate.valid, rate.failed) == (34, 49, 1)


def test_judgements_of_two_judges_or_of_another_file_are_refused(full_run):
    first, *others = judged(full_run, {"object": 1, "behavior": 1, "environment": 1})
    with pytest.raises(ValueError, match="one of each"):
        table(full_run, [replace(first, judge="another"), *others], FULL_GROUPS)
    with pytest.raises(ValueError, match="judge again"):
        table(full_run, [replace(first, video_sha256="0"), *others], FULL_GROUPS)


def test_pa_is_the_mean_of_both_physics_judges(full_run):
    from evaluation.benchmarks.videophy import PhysicsScore

    one = judged(full_run, {"object": 20, "behavior": 0, "environment": 29}, "dreamgen_physics")
    physics = {
        sample_id: PhysicsScore(sample_id, "", 0.9 if n % 2 else 0.1, 1) for n, sample_id in enumerate(full_run.samples)
    }
    row = table(full_run, one, FULL_GROUPS, physics).rows[0]
    assert row.rates["PA-I"].share == 0.4 and row.rates["PA-II"].share == 0.5 and row.pa == pytest.approx(0.45)
    assert row.pa_low < row.pa < row.pa_high
    none = {sample_id: PhysicsScore(sample_id, "", 0.1, 1) for sample_id in full_run.samples}
    alike = table(full_run, one, FULL_GROUPS, none).rows[1]  # behavior: neither judge finds any good
    assert (alike.pa, alike.pa_low, alike.pa_high) == pytest.approx((0, 0, interval(0, 47)[1]))


# The command


def config(path: Path, **values) -> str:
    path.write_text(json.dumps(values))
    return str(path)


def test_the_command_exports_and_prints_a_table(full_run, tmp_path, capsys):
    write_lines(full_run.folder / JUDGEMENTS, judged(full_run, dict.fromkeys(FULL_GROUPS, 3)))
    out = str(tmp_path / "out")
    run = str(full_run.folder)
    assert command.main(["--config", config(tmp_path / "c", step="export", run=run, out=out)]) == 0
    assert command.main(["--config", config(tmp_path / "c", step="table", run=run, out=out)]) == 0
    assert "| object | 0.060" in capsys.readouterr().out
    rows = list(csv.reader((tmp_path / "out" / "dreamgen_following.csv").open()))
    assert rows[0] == ["video_path", "prompt", "prediction"] and len(rows) == 127
    assert sum(int(row[2]) for row in rows[1:]) == 9 and not any("," in row[1] for row in rows)
    assert all(Path(row[0]).is_file() for row in rows[1:])
    assert json.loads((tmp_path / "out" / "table.json").read_text())["rows"][0]["rates"]["IF (default)"]["valid"] == 50


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"step": "export", "run": "r", "stp": 1}, "stp"),
        ({"step": "judge", "run": "r"}, "step"),
        ({"step": "score", "run": "r", "judge": {"scale": 2}}, "judge.scale"),
        ({"step": "table", "run": "r", "groups": ["object", "object"]}, "once"),
    ],
)
def test_wrong_options_are_status_2(tmp_path, capsys, values, said):
    assert command.main(["--config", config(tmp_path / "c", **values)]) == 2
    assert said in capsys.readouterr().err


def test_a_run_that_is_not_there_is_status_1(tmp_path, capsys):
    assert command.main(["--config", config(tmp_path / "c", step="table", run=str(tmp_path / "none"))]) == 1
    assert "none" in capsys.readouterr().err


def test_real_videos_are_read_and_judged(dreamgen, tmp_path, judge_vlm):
    _, samples = read_benchmark(dreamgen)
    folder = layouts.run(tmp_path / "run", samples[:2], pixels=True)
    made = steps.score_step(DreamgenOptions(step="score", run=folder, judge=options()), judge_vlm)
    assert not any(one.failure for one in made) and made[0].frames == (0, 2, 4)
