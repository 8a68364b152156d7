"""What is no whole run is refused with what lacks; contradicting records and wrong lines are named."""

import json
from dataclasses import replace

import numpy as np
import pytest

from evaluation.records import JUDGEMENTS, MANIFEST, RUN, SAMPLES
from evaluation.scoring.judged_run import Incomplete, load_run
from evaluation.scoring.run_scores import score


def test_what_is_not_whole_is_refused_and_says_what_lacks(run_folder, drawn):
    made = run_folder("a", drawn(10, 20))
    folder = made.write()
    with pytest.raises(Incomplete, match="20 samples, but 200 are needed"):
        load_run(folder, expected=200)
    for change, said in (
        (lambda one: one.videos.pop(5), "lacks 1 of 20 videos: 's0005 seed 0'"),
        (lambda one: one.judgements.pop(4), "lacks 1 of 60 judgements: 'agent of s0001-s0'"),
        (lambda one: one.samples.pop(), "has 19 samples, but 20 are needed"),
        (lambda one: one.judgements.clear(), "has no judgements of wording 1"),
    ):
        broken = run_folder("broken", drawn(10, 20))
        change(broken)
        with pytest.raises(Incomplete, match=said):
            load_run(broken.write())


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda one: one.samples.__setitem__(1, one.samples[0]), "'s0000' appear twice"),
        (lambda one: one.videos.append(replace(one.videos[0], sample_id="x")), "sample 'x' and seed 0"),
        (lambda one: one.videos.__setitem__(1, replace(one.videos[1], video_id="s0000-s0")), "more than one sample"),
        (lambda one: one.judgements.append(replace(one.judgements[0], video_id="x")), "no such video"),
        (lambda one: one.judgements.__setitem__(0, replace(one.judgements[0], video_sha256="0")), "another video file"),
        (lambda one: one.judgements.__setitem__(0, replace(one.judgements[0], log_odds=None)), "log-odds None"),
        (
            lambda one: one.judgements.__setitem__(
                0, replace(one.judgements[0], yes=not one.judgements[0].yes)
            ),
            "yes exactly if these are above 0",
        ),
        (lambda one: one.judgements.append(replace(one.judgements[0], judge="judge-2")), "judge-1, judge-2"),
        (lambda one: one.judgements.append(replace(one.judgements[0], prompt_hash="0")), "mixes prompts"),
    ],
)  # fmt: skip
def test_records_that_contradict_each_other_are_refused(change, said, run_folder, drawn):
    made = run_folder("a", drawn(11, 10))
    change(made)
    with pytest.raises(ValueError, match=said):
        load_run(made.write())


@pytest.mark.parametrize(
    "name, field, value, said",
    [
        (MANIFEST, "seconds", "soon", "seconds"),
        (MANIFEST, "sample_id", {"a": 1}, "sample_id"),
        (JUDGEMENTS, "log_odds", [1.0], "log_odds"),
        (JUDGEMENTS, "log_odds", float("nan"), "log-odds nan"),
        (SAMPLES, "task_type", None, "task_type"),
        (SAMPLES, "surprise", 1, "surprise"),
    ],
)
def test_lines_of_other_types_are_refused_with_file_and_line(name, field, value, said, run_folder, drawn):
    folder = run_folder("a", drawn(11, 10)).write()
    lines = (folder / name).read_text().splitlines()
    lines[1] = json.dumps(json.loads(lines[1]) | {field: value})
    (folder / name).write_text("\n".join(lines))
    with pytest.raises(ValueError, match=rf"{name}.*{said}"):
        load_run(folder)


def test_a_second_judge_is_scored_when_named(run_folder, drawn):
    made = run_folder("a", drawn(12, 20))
    made.judgements += [replace(one, judge="judge-2", log_odds=1.0, yes=True) for one in made.judgements]
    folder = made.write()
    assert score(load_run(folder, judge="judge-2")).questions["task"].constant
    first = score(load_run(folder, judge="judge-1"))
    assert first.judge == "judge-1" and not first.questions["task"].constant
    with pytest.raises(Incomplete, match="no judgements by 'judge-3'"):
        load_run(folder, judge="judge-3")


def test_one_answer_to_everything_is_told_from_twenty_answers_on(run_folder, counted):
    few, enough = (run_folder(f"run-{n}", np.stack([counted(n, n, n)] * 3, 1)).write() for n in (19, 20))
    assert not any(one.constant for one in score(load_run(few)).questions.values())
    assert all(one.constant for one in score(load_run(enough)).questions.values())


def test_scores_name_the_files_they_come_from(run_folder, drawn):
    made = run_folder("a", drawn(13, 10))
    before = score(load_run(made.write()))
    assert set(before.inputs) == {RUN, SAMPLES, MANIFEST, JUDGEMENTS}
    made.judgements[0] = replace(made.judgements[0], text="other words")
    after = score(load_run(made.write()))
    assert {name for name in before.inputs if before.inputs[name] != after.inputs[name]} == {JUDGEMENTS}
