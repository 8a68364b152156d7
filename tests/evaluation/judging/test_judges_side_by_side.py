"""Several judges, several runs: who stands beside whom, and which folders and options are refused."""

import json

import pytest
from pydantic import ValidationError

from evaluation.judging.judge_runs import judge_runs
from evaluation.judging.options import JudgingOptions
from evaluation.records import SAMPLES, Sample, read_lines, write_lines
from models.vlm.questions import NAMES
from tests.evaluation.judging.judge_rig import change, make_run
from tests.evaluation.judging.told import Told, judgements, options


def test_a_judge_with_one_answer_to_everything_is_flagged(tmp_path):
    folder = make_run(tmp_path / "run", 20)
    judge_runs([folder], options(), Told(lambda question, n: 3.0 if question.name == "judge_agent" else n - 9.0))
    (flag,) = json.loads((folder / "judging.json").read_text())["constant"]
    assert (flag["question"], flag["yes"], flag["valid"], flag["same_log_odds"]) == ("agent", True, 20, True)


def test_a_judge_does_not_stand_beside_itself(run):
    judge_runs([run], options(), Told(lambda question, n: 1.0))
    before = (run / "judgements.jsonl").read_bytes()
    again = Told(lambda question, n: -1.0)
    with pytest.raises(ValueError, match=r"'again' is told;frames=8, the same judge as .*judgements\.jsonl"):
        judge_runs([run], options(name="again", variants=[1, 2]), again)
    assert not again.calls and again.closed
    assert (run / "judgements.jsonl").read_bytes() == before and not (run / "judgements.again.jsonl").exists()


def test_a_further_judge_that_scores_are_made_of_now_is_no_further_one_any_more(run):
    other = Told(lambda question, n: -1.0)
    other.model_id = "other"
    judge_runs([run], options(), Told(lambda question, n: 1.0))
    judge_runs([run], options(name="second"), other)
    lines = []
    judge_runs([run], options(), other, lines.append)
    assert lines[0] == "run: judgements.second.jsonl is of the same judge and is removed"
    assert not (run / "judgements.second.jsonl").exists() and judgements(run)[0].judge == "other;frames=8"


def test_the_file_of_another_benchmarks_questions_is_not_a_further_judges():
    from evaluation.benchmarks.dreamgen.asking import JUDGEMENTS

    with pytest.raises(ValidationError, match=rf"another benchmark uses {JUDGEMENTS}"):
        JudgingOptions(name=JUDGEMENTS.split(".")[1])


def test_several_runs_are_judged_together_each_into_its_folder(run, tmp_path):
    other = make_run(tmp_path / "other", 2, seed=8)
    lines = []
    results = judge_runs([run, other], options(), Told(lambda question, n: 1.0), lines.append)
    assert {one.folder: one.judgements for one in results} == {run: 18, other: 6}
    assert len(judgements(run)) == 18 and len(judgements(other)) == 6
    assert [line.split(":")[0] for line in lines] == sorted(["run", "other"])


def test_wordings_are_compared_in_the_summary(run):
    judge_runs([run], options(variants=[1, 2, 3]), Told(lambda question, n: 1.0 if question.version < 3 else -1.0))
    summary = json.loads((run / "judging.json").read_text())
    assert summary["agreement"]["task"]["disagreeing"] == 6 and summary["agreement"]["task"]["low"]
    assert set(summary["prompts"]) == {f"{question}.v{variant}" for question in NAMES for variant in (1, 2, 3)}


def test_folders_that_are_no_runs_are_refused_by_name(run, tmp_path):
    with pytest.raises(ValueError, match=r"manifest\.jsonl"):
        judge_runs([tmp_path], options())
    samples = list(read_lines(run / SAMPLES, Sample))
    write_lines(run / SAMPLES, samples[1:])
    with pytest.raises(ValueError, match="s000"):
        judge_runs([run], options())
    write_lines(run / SAMPLES, [*samples, samples[0]])
    with pytest.raises(ValueError, match="'s000' appears more than once"):
        judge_runs([run], options())
    write_lines(run / SAMPLES, samples)
    change(run, 1, video_id="s000-s0")
    with pytest.raises(ValueError, match="s000-s0"):
        judge_runs([run], options())


@pytest.mark.parametrize(
    "wrong, named",
    [
        ({"variants": [1, 9]}, "version 9"),
        ({"variants": [1, 1]}, "give each of them once"),
        ({"variants": []}, "variants"),
        ({"name": "../x"}, "'../x'"),
        ({"questions": ["beauty"]}, "beauty"),
        ({"frame": 3}, "frame"),
        ({"decoders": 0}, "decoders"),
    ],
)
def test_a_wrong_option_is_an_error_that_names_it(wrong, named):
    with pytest.raises(ValidationError, match=named):
        JudgingOptions(**wrong)
