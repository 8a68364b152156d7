"""What the tests of VBVR-Bench share: options with a stand-in for the evaluator, and generated runs."""

import sys
from pathlib import Path

from evaluation.benchmarks.vbvr import released
from evaluation.benchmarks.vbvr.options import EvaluatorOptions, VbvrOptions
from tests.evaluation.benchmarks import layouts

FAKE = [sys.executable, str(Path(__file__).with_name("fake_evaluator.py"))]


def options(step: str, **values) -> VbvrOptions:
    chosen = {"command": FAKE, "timeout_s": 60, **values.pop("evaluator", {})}
    return VbvrOptions(step=step, evaluator=EvaluatorOptions(**chosen), **values)


def generated(folder: Path, data: Path, **values) -> Path:
    _, samples = released.read_benchmark(data)
    return layouts.run(folder, samples, benchmark="vbvr", **values)


def say(monkeypatch, wrong: str) -> None:
    monkeypatch.setenv("FAKE_EVALUATOR", wrong)
