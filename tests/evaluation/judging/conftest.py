"""Fixtures of judging: runs of rendered microworld videos, and a server that counts what it is asked."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def rendered(tmp_path_factory) -> Path:
    from tests.evaluation.judging.judge_rig import make_run

    return make_run(tmp_path_factory.mktemp("rendered") / "run")


@pytest.fixture
def run(rendered, tmp_path) -> Path:
    """Six videos, to be changed at will."""
    return Path(shutil.copytree(rendered, tmp_path / "run"))


@pytest.fixture
def server():
    from tests.models.vlm.chat_server import ChatServer

    with ChatServer() as running:
        yield running
