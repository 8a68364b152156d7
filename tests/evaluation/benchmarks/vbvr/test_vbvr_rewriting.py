"""The rewritten variant: queries shortened by a VLM that sees the picture, each asked once."""

from dataclasses import replace

import pytest

from evaluation.benchmarks.vbvr import released, rewriting, steps, table
from evaluation.benchmarks.vbvr.options import VbvrOptions
from evaluation.records import RunRecord, read_one
from evaluation.scoring.judged_run import Incomplete
from models.vlm.protocol import Completion, Usage, VLMUnavailable
from tests.evaluation.benchmarks import fake_judge
from tests.evaluation.benchmarks.vbvr.vbvr_rig import generated


def test_queries_are_shortened_with_the_picture_seen_and_asked_once(vbvr, tmp_path, judge_vlm):
    chosen = VbvrOptions(step="rewrite", benchmark=vbvr, out=tmp_path / "rewrite")
    made = steps.rewrite_step(chosen, judge_vlm)
    assert [one.task for one in made] == ["Sort the things. 1"] * 8 and all(one.prompt_hash for one in made)
    prompts = [prompt for prompt, _ in judge_vlm.asked]  # in the order in which the pictures were read
    assert sorted(prompt.fields["query"] for prompt in prompts) == sorted(one.query for one in made)
    assert all(prompt.name == "shorten_query" and prompt.fields["query"] in prompt.text for prompt in prompts)
    assert all(len(media) == 1 for _, media in judge_vlm.asked)
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
