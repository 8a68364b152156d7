"""DreamGen's own words: read from its scripts without running them, asked beside ours, answered by a digit."""

import json

import pytest

from evaluation.benchmarks.dreamgen import __main__ as command
from evaluation.benchmarks.dreamgen.asking import JUDGEMENTS, judge
from evaluation.benchmarks.dreamgen.options import OURS, PUBLISHED, DreamgenJudgeOptions, DreamgenOptions
from evaluation.benchmarks.dreamgen.published import FOLLOWING, PHYSICS, published_prompt, read_published
from evaluation.benchmarks.dreamgen.released import instruction, read_benchmark
from evaluation.benchmarks.dreamgen.steps import table_step
from evaluation.benchmarks.named_videos import read_run
from evaluation.records import Judgement, read_lines
from tests.evaluation.benchmarks import layouts
from tests.evaluation.benchmarks.dreamgen.dreamgen_rig import config, frames_of, options

# The form of the official scripts, in other words.
ASKS = """
import os
raise SystemExit("this file is read, not run")
def evaluate(zeroshot: bool = False):
    for video in videos:
        prompt = video.stem
        if zeroshot:
            user_text = (
                f"Is '{prompt}' done?\\n\\n"
                f"1. Be strict. "
                "Say 0 or 1."
            )
        else:
            user_text = (
                f"A robot. Does it do {prompt}? "
                f"Reply only 0 or 1."
            )
"""
PHYSICAL = 'def evaluate():\n    user_text = (f"Is this physical? " f"Reply only 0 or 1.")\n'


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / "GR00T-Dreams" / "dreamgenbench"
    folder.mkdir(parents=True)
    (folder / FOLLOWING).write_text(ASKS)
    (folder / PHYSICS).write_text(PHYSICAL)
    return folder.parent


def test_the_words_are_those_that_the_scripts_would_make(checkout):
    found = read_published(checkout)
    texts = {name: published_prompt(name, found[name], "pick {it} up, $slowly").text for name in OURS}
    assert texts == {
        "dreamgen_following": "A robot. Does it do pick {it} up, $slowly? Reply only 0 or 1.",
        "dreamgen_following_strict": "Is 'pick {it} up, $slowly' done?\n\n1. Be strict. Say 0 or 1.",
        "dreamgen_physics": "Is this physical? Reply only 0 or 1.",
    }
    assert found == read_published(checkout / "dreamgenbench")
    one, other = (published_prompt("x", found["dreamgen_following"], words) for words in ("a", "b"))
    assert one.digits and one.template_hash == other.template_hash


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (FOLLOWING, "def (", "no Python"),
        (FOLLOWING, "-" * 100_000 + "1", "no Python"),
        (FOLLOWING, ASKS.replace("if zeroshot", "if strict"), "written 0 times behind the else"),
        (FOLLOWING, ASKS.replace("{prompt}? ", "it? "), "does not hold {prompt}"),
        (FOLLOWING, ASKS.replace("{prompt}?", "{os.system('touch x')}?"), "os.system"),
        (FOLLOWING, ASKS.replace("{prompt}?", "{prompt!r}?"), "prompt!r"),
        (PHYSICS, PHYSICAL + 'user_text = "Another one."\n', "written 2 times"),
        (PHYSICS, "x = 1\n", "written 0 times"),
        (PHYSICS, PHYSICAL + "\0", "no Python"),
        (PHYSICS, "\xff", "no Python"),
        (PHYSICS, "#" * (2**20 + 1), "more than the 1048576"),
    ],
)
def test_scripts_of_another_form_are_named(checkout, name, text, said):
    (checkout / "dreamgenbench" / name).write_text(text, encoding="latin-1" if text == "\xff" else "utf-8")
    with pytest.raises(ValueError, match=said if text != "\xff" else "not UTF-8") as raised:
        read_published(checkout)
    assert name in str(raised.value)


def test_both_wordings_are_asked_with_the_same_pictures(dreamgen, tmp_path, judge_vlm, checkout):
    _, samples = read_benchmark(dreamgen)
    run = read_run(layouts.run(tmp_path / "run", samples[:2]))
    ours = judge(run, options(shortest_side=1), vlm=judge_vlm, read=frames_of)
    assert [one.question for one in ours] == [*OURS] * 2  # as ever where nothing published is asked
    asked = len(judge_vlm.asked)
    made = judge(run, options(shortest_side=1, published=str(checkout)), vlm=judge_vlm, read=frames_of)
    assert [one.question for one in made] == [*OURS, *PUBLISHED.values()] * 2
    assert [one for one in made if one.question in OURS] == ours  # kept, and not asked again
    new = judge_vlm.asked[asked:]
    assert len(new) == 6 and all(prompt.digits for prompt, _ in new)
    assert not any(prompt.digits for prompt, _ in judge_vlm.asked[:asked])

    def shown(calls):
        return sorted((prompt.name.replace("_published", ""), [one.sha256 for one in media]) for prompt, media in calls)

    assert shown(new) == shown(judge_vlm.asked[:asked])
    texts = [prompt.text for prompt, _ in new]
    assert all(any(f"Does it do {instruction(sample)}?" in text for text in texts) for sample in samples[:2])
    judge(run, options(shortest_side=1, published=str(checkout)), vlm=judge_vlm, read=frames_of)
    assert asked + 6 == len(judge_vlm.asked)


def test_the_table_has_both_wordings_with_their_own_rates(dreamgen, tmp_path, checkout):
    from tests.evaluation.benchmarks.fake_judge import FakeJudge

    vlm = FakeJudge(lambda prompt: -1.0 if prompt.digits else 1.0)
    _, samples = read_benchmark(dreamgen)
    folder = layouts.run(tmp_path / "run", samples)
    judge(read_run(folder), options(published=str(checkout)), vlm=vlm, read=frames_of)
    assert len(list(read_lines(folder / JUDGEMENTS, Judgement))) == 6 * len(samples)
    made = table_step(DreamgenOptions(step="table", run=folder, allow_partial=True))
    row = made.rows[-1].rates
    assert (row["IF (default)"].successes, row["IF (default)"].valid) == (9, 9)
    assert (row["IF (published words, default)"].successes, row["PA-I (published words)"].valid) == (0, 9)
    assert row["PA-I"].successes == 9  # PA and older tables keep their meaning
    text = (folder / "dreamgen" / "dreamgen_published_following.csv").read_text().splitlines()
    assert len(text) == 10 and all(line.endswith(",0") for line in text[1:])


def test_written_answers_and_a_wrong_checkout_are_refused(tmp_path, capsys, dreamgen, checkout):
    server = {"backend": "openai", "model": "m", "base_url": "http://127.0.0.1:9/v1"}
    with pytest.raises(ValueError, match="1 and 0 are read from log-probabilities alone"):
        DreamgenJudgeOptions(published=str(checkout), vlm={**server, "answer": "text"})
    _, samples = read_benchmark(dreamgen)
    run = layouts.run(tmp_path / "run", samples)
    values = {"step": "score", "run": str(run), "judge": {"published": str(tmp_path / "nowhere")}}
    assert command.main(["--config", config(tmp_path / "c.json", **json.loads(json.dumps(values)))]) == 1
    assert FOLLOWING in capsys.readouterr().err
