"""docs/images/strip.py: the picture of the README can be made again from any evaluated runs."""

import subprocess
import sys

from PIL import Image

from tests.evaluation.report.made_runs import films, four_runs


def test_the_picture_is_made_of_the_first_task_that_the_executor_alone_did(repository, tmp_path):
    four_runs(tmp_path, films(tmp_path), 12)
    command = [sys.executable, str(repository / "docs" / "images" / "strip.py"), "--runs", str(tmp_path)]
    command += ["--out", str(tmp_path / "strip.jpg")]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert finished.returncode == 0, finished.stderr
    assert "'base': False" in finished.stdout and "'executor': True" in finished.stdout
    width, height = Image.open(tmp_path / "strip.jpg").size
    assert width > height > 300
