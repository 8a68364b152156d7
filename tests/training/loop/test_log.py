"""What a run tells can be read while it runs and goes on after a kill."""

import io
import json
import math
from pathlib import Path

import numpy as np
import pytest

from training.loop.log import RunLog


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Stream(io.StringIO):
    def __init__(self, tty: bool):
        super().__init__()
        self.isatty = lambda: tty


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def run_to(folder: Path, steps: range, total: int = 100, seconds: float = 2.0, tty: bool = False, **options):
    """A log of some steps of `seconds` each -> (what the stream got, the log)."""
    stream, clock = Stream(tty), Clock()
    with RunLog(folder, total, stream=stream, clock=clock, **options) as log:
        if steps.start > 1:
            log.resume(steps.start - 1)
        else:
            log.begin()
        for step in steps:
            clock.now += seconds
            log.step(step, {"loss": 1 / step, "solved": math.nan if step == 2 else 0.5})
    return stream.getvalue(), log


def test_every_step_is_a_line_and_what_is_not_finite_is_null(tmp_path: Path):
    run_to(tmp_path, range(1, 4))
    assert lines(tmp_path / "metrics.jsonl") == [
        {"step": 1, "loss": 1.0, "solved": 0.5},
        {"step": 2, "loss": 0.5, "solved": None},
        {"step": 3, "loss": 1 / 3, "solved": 0.5},
    ]


def test_a_resumed_run_logs_what_an_unbroken_one_does(tmp_path: Path):
    run_to(tmp_path / "whole", range(1, 9))
    _, log = run_to(tmp_path / "cut", range(1, 7))
    with log:
        for step in (4, 6):
            log.picture(step, "rollouts", np.zeros((4, 4, 3), np.uint8))
            log.evaluation(step, {"heldout/task": step / 10})
    with (tmp_path / "cut" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 7, "lo')  # killed in the middle of a line
    run_to(tmp_path / "cut", range(5, 9))
    assert (tmp_path / "cut" / "metrics.jsonl").read_bytes() == (tmp_path / "whole" / "metrics.jsonl").read_bytes()
    assert lines(tmp_path / "cut" / "evaluations.jsonl") == [{"step": 4, "heldout/task": 0.4}]
    assert [path.name for path in (tmp_path / "cut" / "pictures").iterdir()] == ["step-00000004-rollouts.png"]


def test_a_new_run_in_the_folder_forgets_the_old_one(tmp_path: Path):
    _, log = run_to(tmp_path, range(1, 7))
    with log:  # an open TensorBoard writer would write its file again after 10 s
        log.picture(6, "rollouts", np.zeros((4, 4, 3), np.uint8))
        log.note("old")
    (tmp_path / "scores.json").write_text("{}")
    run_to(tmp_path, range(1, 3))
    assert [line["step"] for line in lines(tmp_path / "metrics.jsonl")] == [1, 2]
    assert not (tmp_path / "notes.txt").exists() and not list((tmp_path / "pictures").iterdir())
    assert len(list((tmp_path / "tensorboard").iterdir())) == 1
    assert (tmp_path / "scores.json").exists(), "what is not the log's stays"


def test_only_the_first_process_writes(tmp_path: Path):
    heard = []
    said, log = run_to(tmp_path / "x", range(1, 5), rank=1, report=heard.append)
    log.note("x")
    log.evaluation(1, {"a": 1.0})
    log.picture(1, "a", np.zeros((4, 4, 3), np.uint8))
    assert log.finish({}, "") == {}
    assert not said and not heard and not (tmp_path / "x").exists()


def test_progress_tells_pace_and_remaining_time(tmp_path: Path):
    said, _ = run_to(tmp_path, range(1, 51), total=150, seconds=36.0)
    shown = said.splitlines()
    assert shown[0] == "step 1/150  loss 1  solved 0.5  36 s a step  1:29:24 left"
    assert shown[-1] == "step 50/150  loss 0.02  solved 0.5  36 s a step  1:00:00 left"


def test_a_file_gets_few_whole_lines_and_a_terminal_one_that_changes(tmp_path: Path):
    said, _ = run_to(tmp_path / "a", range(1, 101), seconds=1.0)
    assert "\r" not in said and said.count("\n") == 11, "each 10 s, and the last"
    said, log = run_to(tmp_path / "b", range(1, 101), seconds=0.0625, tty=True)
    assert said.count("\r") == 26 and said.count("\n") == 1 and said.endswith("left\n")
    stream = log._stream
    log._show("step", True)
    log.note("a\nnote \x1b[31m")
    assert stream.getvalue().endswith("step\na note  [31m\n"), "a note has a line of its own and no control characters"


def test_a_listener_hears_progress_notes_and_the_end(tmp_path: Path):
    heard: list[dict] = []
    _, log = run_to(tmp_path, range(1, 21), total=20, seconds=1.0, report=heard.append)
    progress = [message for message in heard if message["kind"] == "progress"]
    assert [message["step"] for message in progress] == [1, 6, 11, 16, 20]
    assert progress[-1]["eta_s"] == 0 and progress[1]["metrics"] == {"loss": 1 / 6, "solved": 0.5}
    json.dumps(heard, allow_nan=False)
    log.note("hello")
    assert heard[-1] == {"kind": "note", "line": "hello"}
    log.picture(20, "rollouts", np.full((40, 60, 3), 9, np.uint8))
    metadata = log.finish({"steps": 20, "method": "wmsd", "done": True, "arms": {"x": 1}, "nan": math.nan}, "| a |")
    assert heard[-1] == {"kind": "finished", "metadata": metadata}
    assert metadata["steps"] == {"type": "int", "raw_value": 20} and metadata["done"]["type"] == "bool"
    assert metadata["last loss"] == {"type": "float", "raw_value": 0.05}
    assert "arms" not in metadata and "nan" not in metadata
    assert metadata["scores"] == {"type": "md", "raw_value": "| a |"}
    assert metadata["curves"]["raw_value"].startswith("![curves](data:image/png;base64,")
    assert metadata["rollouts"]["raw_value"].startswith("![step-00000020-rollouts](data:image/jpeg;base64,")
    json.dumps(metadata, allow_nan=False)


def test_tensorboard_reads_the_same_numbers_and_pictures(tmp_path: Path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with RunLog(tmp_path, 3, stream=Stream(False)) as log:
        log.begin()
        for step in (1, 2, 3):
            log.step(step, {"reward/task": step * 2.0})
        log.picture(3, "rollouts", np.zeros((8, 9, 3), np.uint8))
    run_to(tmp_path, range(3, 4))  # resumed at step 2: the old step 3 is hidden
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("reward/task")] == [(1, 2.0), (2, 4.0)]
    assert [e.step for e in events.Scalars("loss")] == [3]


@pytest.mark.parametrize("name", ["../x", "a/b", "", "x" * 65, "a.png\n"])
def test_a_picture_stays_in_its_folder(tmp_path: Path, name: str):
    with pytest.raises(ValueError, match="picture name"):
        RunLog(tmp_path, 1, stream=Stream(False)).picture(1, name, np.zeros((4, 4, 3), np.uint8))
