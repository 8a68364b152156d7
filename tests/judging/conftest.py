"""Fixtures of judging: runs of rendered microworld videos, and a server that counts what it is asked."""

import shutil
import sys
from pathlib import Path

import pytest

# Helpers, not tests: judge_rig, and chat_server of the VLM clients' tests.
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).resolve().parents[1] / "vlm")]


@pytest.fixture(scope="session")
def rendered(tmp_path_factory) -> Path:
    from judge_rig import make_run

    return make_run(tmp_path_factory.mktemp("rendered") / "run")


@pytest.fixture
def run(rendered, tmp_path) -> Path:
    """Six videos, to be changed at will."""
    return Path(shutil.copytree(rendered, tmp_path / "run"))


@pytest.fixture
def server():
    from chat_server import ChatServer

    with ChatServer() as running:
        yield running
