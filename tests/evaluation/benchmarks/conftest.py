"""The other benchmarks' released layouts, made small, and runs whose videos are of them."""

from pathlib import Path

import pytest


@pytest.fixture
def dreamgen(tmp_path) -> Path:
    """Three samples of each group, with the release's oddities."""
    from tests.evaluation.benchmarks import layouts

    return layouts.dreamgen(tmp_path / "eval175", {"gr1_object": 3, "gr1_behavior": 3, "gr1_env": 3})


@pytest.fixture
def vbvr(tmp_path) -> Path:
    """Two tasks of each split with two samples each."""
    from tests.evaluation.benchmarks import layouts

    return layouts.vbvr(tmp_path / "VBVR-Bench", tasks=2, each=2)


@pytest.fixture
def judge_vlm():
    from tests.evaluation.benchmarks import fake_judge

    return fake_judge.FakeJudge()
