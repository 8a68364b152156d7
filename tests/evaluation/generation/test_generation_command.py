"""`python -m evaluation.generate` as a process: killed, stopped, told nonsense."""

import json
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from evaluation.generation.folder import JOURNAL
from evaluation.generation.generate_runs import generate
from evaluation.records import MANIFEST, VideoRecord, read_lines
from storage.files import sha256_file
from tests.evaluation.generation.conftest import Bench, write_authors

pytestmark = pytest.mark.slow

LIMIT_S = 300  # only for a process that hangs


@pytest.fixture
def long_bench(tmp_path, tiny_model) -> Bench:
    """Enough samples that a run can be ended half-way."""
    tasks = [f"[Red disc]: Move to place {number}." for number in range(80)]
    return Bench(write_authors(tmp_path / "benchmark", tasks), tiny_model)


def start(config, repository) -> subprocess.Popen:
    command = [sys.executable, "-m", "evaluation.generate", "--config", str(config)]
    return subprocess.Popen(command, cwd=repository, stderr=subprocess.PIPE, text=True)


def journaled(folder) -> int:
    try:
        database = sqlite3.connect(f"file:{folder / JOURNAL}?mode=rw", uri=True)
        try:
            return database.execute("SELECT count(*) FROM done").fetchone()[0]
        finally:
            database.close()
    except sqlite3.OperationalError:
        return 0


def end_half_way(process, folder, number: int) -> None:
    deadline = time.monotonic() + LIMIT_S
    while journaled(folder) < 3 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(number)


def config_of(bench, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"runs": [bench.block(tmp_path / "run", batch=2)]}))
    return path


def test_a_killed_run_loses_nothing_finished(long_bench, tmp_path, repository, quiet):
    process = start(config_of(long_bench, tmp_path), repository)
    end_half_way(process, tmp_path / "run", signal.SIGKILL)
    said = process.communicate(timeout=LIMIT_S)[1]
    assert process.returncode == -signal.SIGKILL, said
    finished = journaled(tmp_path / "run")
    assert 3 <= finished < 80 and not (tmp_path / "run" / MANIFEST).exists()
    times = {path: path.stat().st_mtime_ns for path in sorted((tmp_path / "run" / "videos").glob("*.mp4"))}
    options = long_bench.options(tmp_path / "run")
    assert generate(options, quiet).made == 80 - finished
    kept = sum(path.stat().st_mtime_ns == then for path, then in times.items())
    assert kept == finished
    whole = list(read_lines(tmp_path / "run" / MANIFEST, VideoRecord))
    assert len(whole) == 80 and not list((tmp_path / "run").rglob("*.tmp"))
    for record in whole:
        assert sha256_file(tmp_path / "run" / record.path) == record.sha256


def test_a_stopped_run_says_so_and_goes_on(long_bench, tmp_path, repository, quiet):
    process = start(config_of(long_bench, tmp_path), repository)
    end_half_way(process, tmp_path / "run", signal.SIGTERM)
    said = process.communicate(timeout=LIMIT_S)[1]
    assert process.returncode == 3 and "stopped by SIGTERM" in said and "Traceback" not in said
    finished = journaled(tmp_path / "run")
    assert 3 <= finished < 80 and not list((tmp_path / "run").rglob("*.tmp"))
    assert generate(long_bench.options(tmp_path / "run"), quiet).made == 80 - finished


def test_wrong_options_and_failures_are_one_message_each(bench, tmp_path, repository):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"runs": [bench.block(tmp_path / "run", batches=2)]}))
    process = start(path, repository)
    said = process.communicate(timeout=LIMIT_S)[1]
    assert process.returncode == 2 and "runs.0.batches" in said
    path.write_text(json.dumps({"runs": [bench.block(tmp_path / "run", lora=str(tmp_path / "none"))]}))
    process = start(path, repository)
    said = process.communicate(timeout=LIMIT_S)[1]
    assert process.returncode == 1 and "no LoRA" in said and "Traceback" not in said
