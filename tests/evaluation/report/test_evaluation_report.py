"""One page: nothing of the data is executed, nothing is fetched, the same bytes each time."""

import base64
import hashlib
from dataclasses import replace

import pytest

from evaluation.report.summary import read_summary
from tests.evaluation.report.made_runs import MadeRun

EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'></script></title></style><!-- \u202e{{7*7}}"


def test_every_section_is_there_with_scores_intervals_and_the_papers_rows(four_page, four):
    ids = [attributes["id"] for tag, attributes in four_page.tags if tag == "section"]
    assert ids == [
        "leaderboard",
        "compared",
        "curves",
        "breakdown",
        "ablations",
        "others",
        "trust",
        "videos",
        "evaluated",
    ]
    scores = four_page.section("leaderboard")
    for label in ("Base", "Demonstrator", "Executor", "+VLM"):
        assert label in scores
    assert "0.605 0.536 to 0.670 121 / 200" in scores and "Not comparable" in scores
    assert "Executor against Base" in four_page.section("compared")
    assert "McNemar, exact" in four_page.section("compared")
    assert "few" in four_page.section("breakdown") and "navigation" in four_page.section("breakdown")
    assert "No reproduction.json was given" in four_page.section("ablations")
    assert "nothing to draw" in four_page.section("curves")


def test_the_page_shows_the_numbers_of_the_statistics(four_page, four):
    from evaluation.scoring.comparing import compare_runs
    from evaluation.scoring.judged_run import load_run
    from evaluation.scoring.run_scores import score

    base, executor = score(load_run(four[0])), score(load_run(four[2]))
    task = executor.questions["task"]
    wanted = f"{task.rate.value:.3f} {task.rate.low:.3f} to {task.rate.high:.3f} {task.successes} / {task.valid}"
    assert wanted in four_page.section("leaderboard")
    assert f"{base.average.rate.value:.3f}" in four_page.section("leaderboard")
    gain = compare_runs(four[2], four[0]).questions["task"].gain
    assert f"Gain {gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]" in four_page.section("compared")


def test_the_summary_beside_the_page_says_what_the_page_says(report, four, movies, tmp_path):
    points = [
        MadeRun(tmp_path / f"s{n}", 24, movies, n / 50, role="point", step=n, extra={"curve": "c"}) for n in (0, 20)
    ]
    broken = MadeRun(tmp_path / "broken", 3, movies)
    broken.judgements = []
    page = report([*four, *(one.write() for one in points), broken.write()], reference="vlm")
    told = read_summary(page.path.parent)
    assert list(told.not_scored) == ["broken"] and "no judgements" in told.not_scored["broken"]
    rows = [line.split(" | ")[0].removeprefix("| ") for line in told.table.splitlines()[2:]]
    assert rows == ["base", "demonstrator", "executor", "vlm", "s0", "s20"]
    assert "base - vlm" in told.comparisons and "executor - base" in told.comparisons and not told.not_compared
    assert [line.split(" | ")[:2] for line in told.curves.splitlines()[2:]] == [["| c", "0"], ["| c", "20"]]
    assert not told.no_curves and told.charts[0].title == "Task" and told.charts[0].series[0].x == (0, 20)


@pytest.mark.parametrize("damaged", [b"", b"{", b"[]", b'{"table": 3}', b"\x00\xff"])
def test_a_damaged_summary_is_named(tmp_path, damaged):
    (tmp_path / "summary.json").write_bytes(damaged)
    with pytest.raises(ValueError, match=f"{tmp_path}/summary.json is not the summary of a page: "):
        read_summary(tmp_path)


def test_only_our_script_may_run_and_only_files_beside_the_page_are_loaded(four_page):
    for tag, attributes in four_page.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        assert not any(name.startswith("on") or name == "style" for name in attributes), (tag, attributes)
        for name in ("src", "href", "action", "srcset", "xlink:href"):
            assert attributes.get(name, "#").startswith("#")
    rule = next(a["content"] for _, a in four_page.tags if a.get("http-equiv") == "Content-Security-Policy")
    digest = base64.b64encode(hashlib.sha256(four_page.scripts[1].encode()).digest()).decode()
    assert rule.startswith("default-src 'none'") and f"script-src 'sha256-{digest}'" in rule
    assert "unsafe" not in rule and "http" not in rule
    assert "://" not in four_page.scripts[1]


def test_hostile_text_is_text_everywhere(report, movies, tmp_path):
    made_on = {"made_on": [{"hardware": EVIL, "batch": 4}]}
    made = MadeRun(tmp_path / "run", 3, movies, role=EVIL, notes=(EVIL,), hardware=EVIL, lora=EVIL, extra=made_on)
    made.samples = [
        replace(
            one,
            task=EVIL,
            solution=EVIL,
            agent=EVIL,
            task_type=f"{EVIL}{n}",
            agent_category=f"{EVIL}{n}",
            group=f"g{n}",
        )
        for n, one in enumerate(made.samples)
    ]
    made.videos = [replace(one, prompt=EVIL) for one in made.videos]
    made.videos[0] = replace(made.videos[0], failure=EVIL, sha256="")
    made.judgements = [replace(one, judge=EVIL, prompt_hash=EVIL, text=EVIL) for one in made.judgements]
    found = report([made.write()], title=EVIL)
    assert len(found.scripts) == 2
    assert not [attributes for tag, attributes in found.tags if tag == "img" or "onerror" in attributes]
    assert "\u202e" not in found.html and "49" not in found.section("evaluated").replace("{{7*7}}", "")
    assert "alert(1)" in found.text
    assert "<" not in found.scripts[0]
    assert EVIL.replace("\u202e", "[U+202E]") in found.data["texts"]


def test_the_same_runs_give_the_same_bytes_in_any_folder(report, four):
    first = report(four, out="first")
    again = report(four, out="again", workers=1)
    assert first.html == again.html
    names = sorted(path.relative_to(first.path.parent) for path in first.path.parent.rglob("*.jpg"))
    assert names
    for name in names:
        assert (first.path.parent / name).read_bytes() == (again.path.parent / name).read_bytes()
