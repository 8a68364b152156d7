"""What a VLM says ends in notes of tables, and Dagster and browsers read these as markdown: it stays text."""

from dataclasses import replace

import pytest

from evaluation.benchmarks.dreamgen.table import table as dreamgen_table
from evaluation.benchmarks.named_videos import Run, read_run
from evaluation.benchmarks.vbench.options import VbenchOptions
from evaluation.benchmarks.vbench.outputs import export_videos
from evaluation.benchmarks.vbench.table import table as vbench_table
from evaluation.benchmarks.vbvr.results import SampleScore
from evaluation.benchmarks.vbvr.table import Table, row
from evaluation.records import Sample
from tests.evaluation.benchmarks import layouts

HOSTILE = "![seen](http://a.example/p.png) [click](http://a.example) <img src=x> `code` | **bold**\n# heading"
SAFE = (
    "!\\[seen\\](http://a.example/p.png) \\[click\\](http://a.example) &lt;img src=x&gt; \\`code\\` \\| "
    "\\*\\*bold\\*\\* \\# heading"
)


@pytest.fixture
def run(tmp_path) -> Run:
    """Two samples; the video of the second could not be made, for the reason that a VLM gave."""
    samples = [Sample(name, f"gr1_object/{n}_x.png", "t", group="object") for n, name in enumerate("ab")]
    made = read_run(layouts.run(tmp_path / "run", samples, failed=["b"]))
    return replace(made, videos={**made.videos, "b": replace(made.videos["b"], failure=f"vlm_refused: {HOSTILE}")})


def test_a_refusal_in_dreamgens_table_is_text(run):
    assert SAFE in dreamgen_table(run, [], ["object"], allow_partial=True).to_markdown()


def test_a_refusal_in_vbenchs_table_is_text(run, tmp_path):
    options = VbenchOptions(step="table", run=run.folder, out=tmp_path, dimensions=["dynamic_degree"])
    export_videos(run, options.place / "videos")
    scores = '{"dynamic_degree": [1.0, [{"video_path": "a.mp4", "video_results": true}]]}'
    (options.place / "results").mkdir()
    (options.place / "results" / "x_eval_results.json").write_text(scores)
    assert SAFE in vbench_table(run, options)


def test_notes_and_the_evaluators_categories_in_vbvrs_table_are_text():
    scores = [SampleScore("In-Domain_50", "G-1_t", "00000", HOSTILE, 1.0)]
    text = Table(rows=(row("run", "vanilla", "task_specific", scores, [HOSTILE]),)).to_markdown()
    assert text.count(SAFE) == 2 and "<img" not in text
