"""What the repository may name, that its lock files agree, and that its benchmarks still find what they import."""

import ast
import importlib
import importlib.util
import subprocess
from types import ModuleType

import pytest

from tests.house.imports import STOREY


def test_lock_files_name_no_index_and_no_file(repository):
    for name in ("requirements.lock", "requirements-vllm.lock"):
        text = (repository / name).read_text()
        assert "://" not in text and "--index" not in text and "@" not in text, name
        assert all("==" in line for line in text.splitlines() if line and not line.startswith((" ", "#"))), name


def test_both_locks_agree_on_the_core(repository):
    core = set((repository / "requirements.lock").read_text().split())
    assert core <= set((repository / "requirements-vllm.lock").read_text().split())


def test_no_tracked_text_names_a_machine_or_a_registry(repository):
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=repository, capture_output=True, text=True)
    if tracked.returncode != 0:
        pytest.skip("not a git checkout")
    # Spelt in parts, so that this file does not name them either.
    forbidden = ["/wo" + "rk/", "/ro" + "ot/", "py" + "pi.org", "python" + "hosted", "npm" + "js.org"]
    for name in filter(None, tracked.stdout.split("\0")):
        path = repository / name
        if path.is_file() and path.suffix in {".py", ".md", ".toml", ".yaml", ".lock", ".txt", ".html", ".j2", ""}:
            text = path.read_text(errors="replace")
            assert not [word for word in forbidden if word in text], name


def test_benchmarks_import_only_what_is_there(repository):
    """They are not run by the tests, so a renamed function would be noticed late."""
    for path in sorted((repository / "tests" / "bench").glob("bench_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] in {*STOREY, "tests"}:
                module = importlib.import_module(node.module)
                missing = [name for name in (alias.name for alias in node.names) if not has(module, name)]
                assert not missing, f"{path.name}: {node.module} has no {', '.join(missing)}"


def has(module: ModuleType, name: str) -> bool:
    """Whether `from module import name` finds something: a name in it, or a module below it."""
    below = hasattr(module, "__path__") and importlib.util.find_spec(f"{module.__name__}.{name}")
    return hasattr(module, name) or bool(below)
