"""No base is loaded for a judge that cannot answer."""

import pytest

from tests.models.vlm.chat_server import ChatServer
from training.train import main

pytestmark = pytest.mark.slow


@pytest.fixture
def judged_by(tiny_bench, tmp_path, monkeypatch):
    """Runs a training judged by a server, with a base that tells when it is loaded."""

    def loaded(*_, **__):
        raise OSError("the base is loaded")

    monkeypatch.setattr("training.loop.session.build_video_model", loaded)

    def train(server) -> int:
        vlm = {"backend": "openai", "model": "m", "base_url": server.base_url, "max_retries": 0}
        return main(["--config", str(tiny_bench.config(tmp_path / "run", {"rewards": {"judge": {"vlm": vlm}}}))])

    return train


def test_a_judge_that_is_not_there_stops_a_training_with_one_line(judged_by, capsys):
    with ChatServer() as gone:
        pass
    assert judged_by(gone) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"NotReady: the VLM server at {gone.base_url} (model 'm') is not ready: connection: ")
    assert line.endswith("Start the server, or correct base_url")


def test_a_judge_that_takes_fewer_pictures_stops_it_too_and_another_lets_it_load(judged_by, capsys):
    with ChatServer() as server:
        server.most_images = 7
        assert judged_by(server) == 1
        assert """vLLM's --limit-mm-per-prompt '{"image": 8}'""" in capsys.readouterr().err
        server.most_images = 8
        assert judged_by(server) == 1
        assert capsys.readouterr().err == "OSError: the base is loaded\n"
