"""The rules of the house: which way imports point, what may be imported early, what the repository may name."""

import ast
import importlib
import subprocess
from pathlib import Path

import pytest

# Each room may import the rooms after it.
MAY_IMPORT = {
    "pipelines": {"assets", "training", "evaluation", "models", "microworld", "storage"},
    "assets": {"training", "evaluation", "models", "microworld", "storage"},
    "training": {"evaluation", "models", "microworld", "storage"},
    "evaluation": {"models", "microworld", "storage"},
    "models": {"storage", "microworld"},
    "microworld": {"models", "storage"},
    "storage": set(),
}
HEAVY = {"torch", "torchvision", "transformers", "diffusers", "vllm", "open_clip", "lpips", "datasets", "matplotlib"}
NO_DAGSTER = {"training", "evaluation", "models", "microworld", "storage"}


def modules(repository: Path):
    for room in MAY_IMPORT:
        for path in sorted((repository / room).rglob("*.py")):
            yield room, path


def imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


def test_imports_point_one_way(repository):
    for room, path in modules(repository):
        used = imported(ast.parse(path.read_text())) & set(MAY_IMPORT)
        assert used <= MAY_IMPORT[room] | {room}, f"{path} imports {sorted(used - MAY_IMPORT[room] - {room})}"


def test_models_reach_the_microworld_only_when_its_client_is_asked_for(repository):
    """The microworld implements the models' protocols; the one way back is inside a function."""
    for path in sorted((repository / "models").rglob("*.py")):
        top = ast.Module([node for node in ast.parse(path.read_text()).body if not hasattr(node, "body")], [])
        assert "microworld" not in imported(top), path


def test_rooms_without_dagster_have_none(repository):
    for room, path in modules(repository):
        if room in NO_DAGSTER:
            assert "dagster" not in imported(ast.parse(path.read_text())), path


def test_heavy_packages_are_imported_inside_functions(repository):
    for room, path in modules(repository):
        if room in ("assets", "pipelines"):
            top = ast.Module([node for node in ast.parse(path.read_text()).body if not hasattr(node, "body")], [])
            assert not imported(top) & HEAVY, path


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
            if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] in MAY_IMPORT:
                module = importlib.import_module(node.module)
                missing = [alias.name for alias in node.names if not hasattr(module, alias.name)]
                assert not missing, f"{path.name}: {node.module} has no {', '.join(missing)}"
