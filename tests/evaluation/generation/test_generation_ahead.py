"""No video is made for a judge that cannot answer, and a finished run needs no judge."""

import json
import sys

import pytest

from evaluation.generate import run as command
from evaluation.generation.generate_runs import generate_runs
from evaluation.generation.options import GenerateCommand, JudgeAhead
from models.vlm import preflight
from models.vlm.preflight import NotReady
from tests.evaluation.generation.left import manifest
from tests.models.vlm.chat_server import ChatServer


def judge(server, frames: int = 8, **more) -> JudgeAhead:
    vlm = {"backend": "openai", "model": "m", "base_url": server.base_url, "max_retries": 0, **more}
    return JudgeAhead(vlm=vlm, frames=frames)


def test_a_judge_that_is_not_there_stops_a_run_before_its_model_is_loaded(bench, tmp_path, quiet, unloadable):
    unloadable()
    with ChatServer() as gone:
        pass
    with pytest.raises(NotReady, match="connection refused: nothing listens"):
        generate_runs([bench.options(tmp_path / "run")], quiet, judges=[judge(gone)])
    assert not list((tmp_path / "run").rglob("*.mp4")) and not (tmp_path / "run" / "manifest.jsonl").exists()


@pytest.mark.parametrize("number", [0, 1])
def test_each_judge_is_asked_as_many_pictures_as_it_will_be_shown(bench, tmp_path, quiet, unloadable, number):
    unloadable()
    with ChatServer() as first, ChatServer() as second:
        judges = [judge(first, 8), judge(second, 3)]
        (first, second)[number].most_images = (7, 2)[number]
        with pytest.raises(NotReady, match=r"--limit-mm-per-prompt '\{\"image\": " + str((8, 3)[number])):
            generate_runs([bench.options(tmp_path / "run")], quiet, judges=judges)


def test_a_finished_run_asks_no_judge_ahead(bench, tmp_path, quiet):
    runs = [bench.options(tmp_path / "run")]
    with ChatServer() as server:
        (done,) = generate_runs(runs, quiet, judges=[judge(server)])
        assert done.made == 3 and len(server.bodies) == 1
    preflight.PASSED.clear()
    (again,) = generate_runs(runs, quiet, judges=[judge(server)])
    assert again.made == 0 and len(manifest(tmp_path / "run")) == 3


def test_the_command_says_it_in_one_line(bench, tmp_path, monkeypatch, capsys):
    from evaluation.commands import FAILED, run_command

    with ChatServer() as server:
        server.gives_logprobs = False
        given = {"runs": [bench.block(tmp_path / "run")], "judges": [judge(server).model_dump(mode="json")]}
        (tmp_path / "config.json").write_text(json.dumps(given))
        monkeypatch.setattr(sys, "argv", ["generate"])
        arguments = ["--config", str(tmp_path / "config.json")]
        assert run_command("", GenerateCommand, command, arguments) == FAILED
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"NotReady: the VLM server at {server.base_url} (model 'm') is not ready: no_logprobs: ")
    assert "`answer: text`" in last
