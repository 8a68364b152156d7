"""The guard of the repository's own data holds, here and in the processes that tests start."""

import os
import re
import subprocess
import sys

import pytest

from tests.guard.sitecustomize import touched

CODE = """
import os, pathlib, sqlite3, sys
try:
    {action}
except Exception:
    pass
"""


@pytest.mark.parametrize(
    "action",
    [
        "open('data/x')",
        "pathlib.Path('data/microworld/x').mkdir(parents=True)",
        "os.listdir('.dagster')",
        "list(os.scandir('data'))",
        "sqlite3.connect('.dagster/storage/runs.db')",
        "os.rename('README.md', 'data/README.md')",
    ],
)
def test_a_process_that_touches_the_repositorys_data_is_noted_even_if_it_goes_on(action, repository, tmp_path):
    noted = tmp_path / "touched.txt"
    environment = {**os.environ, "WMSD_TEST_TOUCHED": str(noted)}
    code = CODE.format(action=action)
    done = subprocess.run([sys.executable, "-c", code], cwd=repository, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "a test must not touch" in noted.read_text()
    assert not (repository / "data" / "README.md").exists()


def test_other_folders_of_these_names_may_be_touched(tmp_path, monkeypatch, repository):
    monkeypatch.chdir(tmp_path)
    assert not touched("open", ("data/x", "r", 0)) and not touched("os.mkdir", (".dagster", 511, -1))
    monkeypatch.chdir(repository)
    assert touched("os.mkdir", (".dagster", 511, -1)) and touched("open", (b"data/x", "r", 0))
    assert not touched("os.rmdir", ("data", 7))  # in the folder of that descriptor
    assert not touched("open", ("database", "r", 0))


def test_no_test_takes_the_guard_from_its_processes(repository):
    """conftest.py sets PYTHONPATH with the guard on it; whoever sets another one puts the guard there too."""
    texts = {path: path.read_text() for path in (repository / "tests").rglob("*.py") if path.parent.name != "bench"}
    setting = [path for path, text in texts.items() if re.search(r"PYTHONPATH[\"']\]? ?[:=]", text)]
    assert repository / "tests" / "conftest.py" in setting
    assert not [path for path in setting if "guard" not in texts[path]]
