"""VBVR-Bench: the released folders, the rewritten variant, the official evaluator and the table."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from evaluation.benchmarks.vbvr import __main__ as command
from evaluation.benchmarks.vbvr import evaluator, released, rewriting, steps, table
from evaluation.benchmarks.vbvr.evaluator import EvaluatorFailed, NoEvaluator
from evaluation.benchmarks.vbvr.options import EvaluatorOptions, VbvrOptions
from evaluation.benchmarks.vbvr.results import SampleScore, check_complete
from evaluation.records import RunRecord, read_one, write_one
from evaluation.scoring.judged_run import Incomplete
from models.vlm.protocol import Completion, Usage, VLMUnavailable
from stats.rates import interval, paired_interval
from tests.evaluation.benchmarks import fake_judge, layouts

FAKE = (sys.executable, str(Path(__file__).with_name("fake_evaluator.py")))


def options(step: str, **values) -> VbvrOptions:
    chosen = {"command": FAKE, "timeout_s": 60, **values.pop("evaluator", {})}
    return VbvrOptions(step=step, evaluator=EvaluatorOptions(**chosen), **values)


def generated(folder: Path, data: Path, **values) -> Path:
    _, samples = released.read_benchmark(data)
    return layouts.run(folder, samples, benchmark="vbvr", **values)


def say(monkeypatch, wrong: str) -> None:
    monkeypatch.setenv("FAKE_EVALUATOR", wrong)


# The released folders


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
    with pytest.raises(FileNotFoundError, match="unpack it first"):
        released.read_benchmark(bare)
    assert steps.unpack_step(VbvrOptions(step="unpack", benchmark=bare)) == 8
    assert released.read_benchmark(bare) == released.read_benchmark(vbvr)


def test_the_full_release_counts_and_a_smaller_one_is_told(tmp_path):
    _, samples = released.read_benchmark(layouts.vbvr(tmp_path, 50, 5, listed=False))
    assert released.count_complaints(samples) == []
    told = released.count_complaints(samples[1:])
    assert told[0] == "499 samples, 500 are expected" and "not 5 samples of G-0_sort" in told[1]


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
        ([entry(first_image="no base64!")], "no picture"),
        ([entry(first_image=base64.b64encode(b"GIF89a").decode())], "no picture"),
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


# The rewritten variant


def test_queries_are_shortened_with_the_picture_seen_and_asked_once(vbvr, tmp_path, judge_vlm):
    chosen = VbvrOptions(step="rewrite", benchmark=vbvr, out=tmp_path / "rewrite")
    made = steps.rewrite_step(chosen, judge_vlm)
    assert [one.task for one in made] == ["Sort the things. 1"] * 8 and all(one.prompt_hash for one in made)
    prompt, media = judge_vlm.asked[0]
    assert prompt.name == "shorten_query" and made[0].query in prompt.text and len(media) == 1
    again = fake_judge.FakeJudge(lambda prompt: AssertionError("asked again"))
    assert steps.rewrite_step(chosen, again) == made
    version, samples = rewriting.rewritten(released.read_benchmark(vbvr)[1], rewriting.read_rewrites(chosen.out))
    assert version.startswith("rewrite-") and samples[0].task == "Sort the things. 1"
    assert samples[0].image == released.read_benchmark(vbvr)[1][0].image


def test_queries_that_could_not_be_shortened_are_named_and_stay_long_only_when_asked(vbvr, tmp_path):
    def rule(prompt):
        if "0 things" in prompt.text:
            return VLMUnavailable("timeout", "no answer") if "sample 1" in prompt.text else "I cannot"
        return 1.0

    strict = VbvrOptions(step="rewrite", benchmark=vbvr, out=tmp_path / "r")
    lenient = strict.model_copy(update={"keep_failed": True})
    _, samples = released.read_benchmark(vbvr)
    with pytest.raises(Incomplete, match=r"4 of 8 queries.*refused: I cannot.*keep_failed: true"):
        steps.rewrite_step(strict, fake_judge.FakeJudge(rule))
    with pytest.raises(ValueError, match="4 queries could not be shortened"):
        rewriting.rewritten(samples, rewriting.read_rewrites(tmp_path / "r"))
    with pytest.raises(Incomplete, match=r"2 of 8 queries.*timeout"):  # what had no answer may have one the next time
        steps.rewrite_step(lenient, fake_judge.FakeJudge(rule))
    steps.rewrite_step(lenient, fake_judge.FakeJudge())
    kept = rewriting.read_rewrites(tmp_path / "r")
    version, made = rewriting.rewritten(samples, kept)
    assert sum(one.task == sample.task for one, sample in zip(made, samples, strict=True)) == 2
    assert rewriting.stayed_long(f"vbvr-1+{version}") == 2 and rewriting.stayed_long("vbvr-1+rewrite-2") == 0
    changed = [replace(samples[0], task="Another query."), *samples[1:]]
    with pytest.raises(ValueError, match="rewrite again"):
        rewriting.rewritten(changed, kept)


class Wordy(fake_judge.FakeJudge):
    """Answers as it was asked to, but at length."""

    async def complete(self, prompt, media, schema, *, max_tokens, seed=0):
        return Completion({"task": "on " * 61}, "{}", Usage())


def test_what_the_vlm_made_no_shorter_is_asked_again_when_told(vbvr, tmp_path):
    chosen = VbvrOptions(step="rewrite", benchmark=vbvr, out=tmp_path / "r")
    again = chosen.model_copy(update={"ask_failed_again": True})
    with pytest.raises(Incomplete, match=r"8 of 8 .*malformed: 61 words"):
        steps.rewrite_step(chosen, Wordy())
    well = fake_judge.FakeJudge()
    with pytest.raises(Incomplete, match="ask_failed_again: true"):
        steps.rewrite_step(chosen, well)
    assert well.asked == []
    assert [one.failure for one in steps.rewrite_step(again, well)] == [""] * 8 and len(well.asked) == 8
    steps.rewrite_step(again, well)
    assert len(well.asked) == 8  # what is shortened is not asked again


def test_generation_takes_rewritten_samples(vbvr, tmp_path, judge_vlm):
    from evaluation.benchmarks.benchmark import check_samples
    from evaluation.generation.sources import VbvrSource, open_benchmark

    steps.rewrite_step(VbvrOptions(step="rewrite", benchmark=vbvr, out=tmp_path / "r"), judge_vlm)
    found = open_benchmark(VbvrSource(path=str(vbvr), rewrites=str(tmp_path / "r")))
    check_samples(found.samples, [sample.image for sample in found.samples])
    record = replace(read_one(generated(tmp_path / "x", vbvr) / "run.json", RunRecord), benchmark_version=found.version)
    assert table.variant_of(record) == "prompt_rewrite" and found.samples[0].task == "Sort the things. 1"


# Exports and the evaluator


def test_videos_come_under_the_names_that_the_evaluator_looks_for(vbvr, tmp_path):
    run = generated(tmp_path / "base model", vbvr)
    _, folder, exported = steps.export_step(options("export", run=run))
    assert folder == run / "vbvr" / "videos" / "base_model" and len(exported) == 8
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.mp4")) == sorted(
        f"{p.parent.relative_to(vbvr)}.mp4" for p in vbvr.rglob("first_frame.png")
    )


@pytest.mark.parametrize(
    ("name", "folder"), [("checkpoint-100", "run-checkpoint-100"), ("../..", "_"), ("a/b c", "a_b_c"), ("..", "run-")]
)
def test_a_runs_name_is_one_folder_that_is_not_taken_for_a_checkpoint(name, folder):
    assert steps.model_name(name) == folder


@pytest.mark.parametrize("scoring", ["task_specific", "weighted"])
def test_a_scored_run_is_a_table_that_says_which_scoring(vbvr, tmp_path, monkeypatch, scoring):
    say(monkeypatch, "")
    run = generated(tmp_path / "base", vbvr)
    chosen = {"run": run, "allow_partial": True, "evaluator": {"scoring": scoring}}
    scored = steps.score_step(options("score", benchmark=vbvr, **chosen))
    assert scored.scoring == scoring and len(scored.results) == (1 if scoring == "task_specific" else 2)
    made = steps.table_step(options("table", **chosen))
    (row,) = made.rows
    assert row.scoring == scoring and row.parts["All"].value == pytest.approx(0.15)
    assert row.parts["In-Domain"].samples == 4 and row.parts["Abstraction"].tasks == 2
    assert row.notes == (f"scored by the official evaluator, {scoring}", "PARTIAL: 8 of 500 samples")
    assert "- base: PARTIAL: 8 of 500" in made.to_markdown()
    assert json.loads((run / "vbvr" / "table.json").read_text())["rows"][0]["variant"] == "vanilla"


def test_a_scored_run_is_not_scored_again(vbvr, tmp_path, monkeypatch):
    say(monkeypatch, "")
    chosen = options("score", benchmark=vbvr, run=generated(tmp_path / "base", vbvr), allow_partial=True)
    first = steps.score_step(chosen)
    say(monkeypatch, "crash")
    assert steps.score_step(chosen) == first


def test_fewer_than_all_videos_are_refused_with_their_names(vbvr, tmp_path, monkeypatch):
    say(monkeypatch, "")
    gone = "In-Domain_50--G-1_sort_things_data-generator--00001"
    run = generated(tmp_path / "base", vbvr, failed=[gone])
    with pytest.raises(Incomplete, match=f"{gone}: refused"):
        steps.score_step(options("score", benchmark=vbvr, run=run))
    steps.score_step(options("score", benchmark=vbvr, run=run, allow_partial=True))
    with pytest.raises(Incomplete, match="8 samples, 500 are expected"):
        steps.table_step(options("table", run=run))


def test_samples_that_the_evaluator_skipped_are_named():
    samples = [layouts.Sample(f"s{n}", f"In-Domain_50/G-1_t/0000{n}/first_frame.png", "t") for n in range(3)]
    scores = [SampleScore("In-Domain_50", "G-1_t", f"0000{n}", "", 1.0) for n in range(2)]
    with pytest.raises(Incomplete, match="1 of 3 samples have no score: In-Domain_50/G-1_t/00002"):
        check_complete(scores, samples)
    with pytest.raises(ValueError, match="no samples of the benchmark"):
        check_complete(scores, samples[:1])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("nan", "NaN"),
        ("large", "less than or equal"),
        ("twice", "scored twice"),
        ("sums", "its samples give"),
        ("error", r"failed on 1 samples.*division by zero"),
    ],
)
def test_results_that_do_not_hold_together_are_refused(vbvr, tmp_path, monkeypatch, wrong, said):
    say(monkeypatch, wrong)
    chosen = {"run": generated(tmp_path / "base", vbvr), "allow_partial": True}
    steps.score_step(options("score", benchmark=vbvr, **chosen))
    with pytest.raises(ValueError, match=said):
        steps.table_step(options("table", **chosen))


def test_evaluator_errors_are_counted_where_they_are_accepted(vbvr, tmp_path, monkeypatch):
    say(monkeypatch, "error")
    chosen = {"run": generated(tmp_path / "base", vbvr), "allow_partial": True}
    steps.score_step(options("score", benchmark=vbvr, **chosen))
    made = steps.table_step(options("table", accept_errors=True, **chosen))
    assert "failed on 1 samples and scored them 0" in made.to_markdown()


@pytest.mark.parametrize(("wrong", "said"), [("crash", "no module called cv2"), ("nothing", "it left no")])
def test_a_failing_evaluator_is_told_with_its_last_words(vbvr, tmp_path, monkeypatch, wrong, said):
    say(monkeypatch, wrong)
    run = generated(tmp_path / "base", vbvr)
    with pytest.raises(EvaluatorFailed, match=said):
        steps.score_step(options("score", benchmark=vbvr, run=run, allow_partial=True))
    with pytest.raises(Incomplete, match="not scored"):
        steps.table_step(options("table", run=run, allow_partial=True))


def test_an_evaluator_that_takes_too_long_is_ended(vbvr, tmp_path, monkeypatch):
    say(monkeypatch, "slow")
    run = generated(tmp_path / "base", vbvr)
    with pytest.raises(EvaluatorFailed, match=r"not done after 2 s.*(\n.*)?thinking"):
        steps.score_step(options("score", benchmark=vbvr, run=run, allow_partial=True, evaluator={"timeout_s": 2}))


def test_an_absent_evaluator_says_how_to_install_it(tmp_path):
    with pytest.raises(NoEvaluator, match=r"pip install .*VBVR-Bench"):
        evaluator.program(EvaluatorOptions(command=("no-such-program-anywhere",)))
    with pytest.raises(NoEvaluator, match=r"vbvr/bin/vbvr-evaluate"):
        evaluator.program(EvaluatorOptions(scoring="weighted", command=(sys.executable, str(tmp_path / "gone.py"))))


def test_names_are_arguments_and_never_words_of_a_shell(vbvr, tmp_path, monkeypatch):
    say(monkeypatch, "")
    run = generated(tmp_path / "$(touch pwned); rm -rf", vbvr)
    steps.score_step(options("score", benchmark=vbvr, run=run, allow_partial=True))
    assert not list(tmp_path.rglob("pwned"))


def test_videos_that_changed_after_scoring_want_another_scoring(vbvr, tmp_path, monkeypatch):
    say(monkeypatch, "")
    run = generated(tmp_path / "base", vbvr)
    steps.score_step(options("score", benchmark=vbvr, run=run, allow_partial=True))
    generated(run, vbvr, failed=["In-Domain_50--G-1_sort_things_data-generator--00001"])
    steps.export_step(options("export", run=run))
    with pytest.raises(ValueError, match="run the step score again"):
        steps.table_step(options("table", run=run, allow_partial=True))


# The table


def scores_of(shift: float) -> list[SampleScore]:
    return [
        SampleScore(split, f"{split[0]}-{task}", f"{index:05d}", "A" if task % 2 else "B", task / 100 + shift)
        for split in released.SPLITS
        for task in range(50)
        for index in range(5)
    ]


def test_variants_are_compared_over_the_same_samples():
    rows = [table.row("base", "vanilla", "task_specific", scores_of(0.0))]
    better = table.row("executor", "trained", "task_specific", scores_of(0.1))
    rows.append(replace(better, difference=table.difference(scores_of(0.1), scores_of(0.0))))
    text = table.Table(tuple(rows)).to_markdown()
    assert rows[0].parts["All"].value == pytest.approx(0.245) and rows[0].parts["All"].samples == 500
    # Every task gains the same, which does not make the gain certain: Tango's interval of 10 of 100.
    low, high = paired_interval(10, 0, 100)
    assert (rows[1].difference.value, rows[1].difference.low) == pytest.approx((0.1, low))
    assert "| trained (executor) |" in text and f"+0.100 [{low:+.3f}, {high:+.3f}]" in text
    with pytest.raises(ValueError, match="one run only"):
        table.difference(scores_of(0.0)[1:], scores_of(0.0))


@pytest.mark.parametrize(("lost", "samples", "said"), [(1, 7, "over the 7 samples"), (8, 0, "no sample")])
def test_partial_runs_are_compared_over_the_samples_that_both_have(lost, samples, said, vbvr, tmp_path, monkeypatch):
    say(monkeypatch, "")
    ids = [sample.sample_id for sample in released.read_benchmark(vbvr)[1]]
    base = generated(tmp_path / "base", vbvr, failed=ids[4:] if lost == 8 else [])
    executor = generated(tmp_path / "executor", vbvr, failed=ids[: 4 if lost == 8 else lost])
    for run in (base, executor):
        steps.score_step(options("score", benchmark=vbvr, run=run, allow_partial=True))
    first, second = steps.table_step(options("table", run=base, others=(executor,), allow_partial=True)).rows
    assert (second.difference.samples if second.difference else 0) == samples
    assert said in second.notes[-1] and not any("All - first" in note for note in first.notes)


def test_a_table_says_how_many_queries_stayed_long(vbvr, tmp_path, monkeypatch):
    say(monkeypatch, "")
    run = generated(tmp_path / "short", vbvr)
    record = read_one(run / "run.json", RunRecord)
    write_one(run / "run.json", replace(record, benchmark_version="vbvr-1+rewrite-0123456789abcdef-3-long"))
    steps.score_step(options("score", benchmark=vbvr, run=run, allow_partial=True))
    (row,) = steps.table_step(options("table", run=run, allow_partial=True)).rows
    assert row.variant == "prompt_rewrite" and "3 queries could not be shortened" in " ".join(row.notes)


def test_samples_of_one_task_count_as_one_when_drawn():
    """Five equal scores a task tell no more than one: the interval is that of 100 draws, not of 500."""
    wide = table.row("r", "vanilla", "task_specific", scores_of(0.0)).parts["All"]
    one_each = [one for one in scores_of(0.0) if one.index == "00000"]
    assert wide.low == pytest.approx(table.row("r", "vanilla", "task_specific", one_each).parts["All"].low, abs=1e-12)


def test_tasks_that_all_score_alike_have_an_interval_too():
    nothing = [replace(one, score=0.0) for one in scores_of(0.0)]
    mean = table.row("r", "vanilla", "task_specific", nothing).parts["All"]
    assert (mean.value, mean.low, mean.high) == (0, *interval(0, 100))


def test_two_scorings_are_not_compared(vbvr, tmp_path, monkeypatch):
    say(monkeypatch, "")
    runs = [generated(tmp_path / name, vbvr) for name in ("base", "executor")]
    for run, scoring in zip(runs, ("task_specific", "weighted"), strict=True):
        chosen = options("score", benchmark=vbvr, run=run, allow_partial=True, evaluator={"scoring": scoring})
        steps.score_step(chosen)
    with pytest.raises(ValueError, match="not comparable"):
        steps.table_step(options("table", run=runs[0], others=(runs[1],), allow_partial=True))


def test_a_variant_is_read_from_the_runs_record(vbvr, tmp_path):
    record = read_one(generated(tmp_path / "base", vbvr) / "run.json", RunRecord)
    assert table.variant_of(record) == "vanilla"
    assert table.variant_of(replace(record, lora="adapter")) == "trained"
    rewritten = replace(record, lora="adapter", benchmark_version="vbvr-1+rewrite-2")
    assert table.variant_of(rewritten) == "prompt_rewrite"


# The command


def config(path: Path, **values) -> str:
    path.write_text(json.dumps(values))
    return str(path)


@pytest.mark.parametrize(
    "values",
    [
        {"step": "score", "run": "r"},
        {"step": "table"},
        {"step": "rewrite", "benchmark": "b"},
        {"step": "export", "run": "r", "typo": 1},
        {"step": "score", "run": "r", "benchmark": "b", "evaluator": {"scoring": "mine"}},
    ],
)
def test_wrong_options_are_status_2(tmp_path, values):
    assert command.main(["--config", config(tmp_path / "c", **values)]) == 2


def test_the_command_scores_and_prints_a_table(vbvr, tmp_path, monkeypatch, capsys):
    say(monkeypatch, "")
    run = str(generated(tmp_path / "base", vbvr))
    chosen = {"run": run, "benchmark": str(vbvr), "allow_partial": True, "evaluator": {"command": FAKE}}
    assert command.main(["--config", config(tmp_path / "c", step="score", **chosen)]) == 0
    assert command.main(["--config", config(tmp_path / "c", step="table", **chosen)]) == 0
    assert "| vanilla (base) | 0.150" in capsys.readouterr().out
    del chosen["allow_partial"]
    assert command.main(["--config", config(tmp_path / "c", step="table", **chosen)]) == 1


def test_a_stopped_command_ends_the_evaluator_and_leaves_with_3(vbvr, tmp_path, repository):
    run = generated(tmp_path / "base", vbvr)
    chosen = {"run": str(run), "benchmark": str(vbvr), "allow_partial": True, "evaluator": {"command": FAKE}}
    path = config(tmp_path / "c", step="score", **chosen)
    child = subprocess.Popen(
        [sys.executable, "-m", "evaluation.benchmarks.vbvr", "--config", path],
        cwd=repository,
        env={**os.environ, "FAKE_EVALUATOR": "slow"},
    )
    log = run / "vbvr" / "evaluator.log"
    until = time.monotonic() + 120
    while time.monotonic() < until and child.poll() is None and not (log.exists() and log.stat().st_size):
        time.sleep(0.2)
    child.send_signal(signal.SIGTERM)
    assert child.wait(60) == 3
    assert not _alive(str(run))


def _alive(word: str) -> list[str]:
    """Command lines of processes that have `word` among their arguments and are the evaluator's."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = path.read_text().replace("\0", " ")
        except OSError:
            continue
        if word in text and "fake_evaluator" in text:
            found.append(text)
    return found
