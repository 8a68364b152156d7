"""VBVR-Bench's table and the command: variants over the same samples, intervals over tasks."""

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
from evaluation.benchmarks.vbvr import released, steps, table
from evaluation.benchmarks.vbvr.results import SampleScore
from evaluation.records import RunRecord, read_one, write_one
from stats.rates import interval, paired_interval
from tests.evaluation.benchmarks.vbvr.vbvr_rig import FAKE, generated, options, say


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
    rows.append(better.model_copy(update={"difference": table.difference(scores_of(0.1), scores_of(0.0))}))
    text = table.Table(rows=tuple(rows)).to_markdown()
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
