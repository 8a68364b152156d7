"""The other benchmarks' released layouts, made small, and runs whose videos are of them."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # layouts and fake_judge are helpers, not tests


@pytest.fixture
def dreamgen(tmp_path) -> Path:
    """Three samples of each group, with the release's oddities."""
    import layouts

    return layouts.dreamgen(tmp_path / "eval175", {"gr1_object": 3, "gr1_behavior": 3, "gr1_env": 3})


@pytest.fixture
def vbvr(tmp_path) -> Path:
    """Two tasks of each split with two samples each."""
    import layouts

    return layouts.vbvr(tmp_path / "VBVR-Bench", tasks=2, each=2)


@pytest.fixture
def judge_vlm():
    import fake_judge

    return fake_judge.FakeJudge()
