"""A copy of the repository in which the examples of docs/extending.md are carried out."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.docs.pages import REPOSITORY

FILE = re.compile(r"# ([\w./-]+/[\w.-]+)")
LINKED = "microworld/checkpoint"  # large, and no example changes it


def clone(folder: Path) -> Path:
    """The rooms and recipes, as files that may be changed."""
    rooms = [path.parent for path in REPOSITORY.glob("*/__init__.py")]
    unwanted = shutil.ignore_patterns("__pycache__", "checkpoint")
    for room in (*rooms, REPOSITORY / "recipes"):
        shutil.copytree(room, folder / room.name, ignore=unwanted)
    shutil.copytree(REPOSITORY / "docs" / "examples", folder / "docs" / "examples")
    (folder / LINKED).symlink_to(REPOSITORY / LINKED)
    return folder


def carry_out(block: str, language: str, folder: Path) -> str | None:
    """Writes or changes the file that the block's first line names; the block itself where it names none."""
    head, _, body = block.partition("\n")
    named = FILE.fullmatch(head)
    if named is None:
        return block
    path = folder / named[1]
    if language == "diff":
        path.write_text(changed(path.read_text(encoding="utf-8"), body, named[1]), encoding="utf-8")
    else:
        assert not path.exists(), f"{named[1]} is there already: the example should change it"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(body + "\n", encoding="utf-8")
        if path.suffix == ".py":
            (path.parent / "__init__.py").touch()
    return None


def changed(text: str, diff: str, name: str) -> str:
    """`text` after a diff without line numbers: the old lines must stand in it once. `...` parts one place from the
    next."""
    for hunk in re.split(r"(?m)^\.\.\.\n", diff):
        lines = [line or " " for line in hunk.splitlines()]
        assert all(line[0] in " +-" for line in lines), f"{name}: every line of a diff begins with ' ', '+' or '-'"
        before = "".join(f"{line[1:]}\n" for line in lines if line[0] != "+")
        after = "".join(f"{line[1:]}\n" for line in lines if line[0] != "-")
        assert text.count(before) == 1, f"{name}: these lines stand there {text.count(before)} times:\n{before}"
        text = text.replace(before, after)
    return text


def run(code: str, language: str, folder: Path) -> subprocess.CompletedProcess:
    """The code, Python or shell, as a program in the copy."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    modules = os.pathsep.join([str(REPOSITORY / "tests" / "guard"), str(folder)])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": modules}
    command = {"python": [sys.executable, "-c", code], "sh": ["bash", "-euo", "pipefail", "-c", code]}[language]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
