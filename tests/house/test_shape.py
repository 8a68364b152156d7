"""What lies where, and how long it may be: an asset has a file of its name, and a file fits on a few screens."""

import ast
import subprocess
from pathlib import Path

import pytest

from tests.house.imports import STOREY, sources, tree

# Files that are known to be too long. Whoever shortens one removes its line; a new one fails at once.
LONG_FILES: set[str] = set()
LONG_ASSETS: set[str] = set()
LONG_SCRIPTS: set[str] = set()


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def too_long(repository: Path, paths, limit: int) -> set[str]:
    return {path.relative_to(repository).as_posix() for path in paths if lines(path) > limit}


def test_every_asset_has_a_file_of_its_name_in_its_groups_folder(repository):
    from pipelines.definitions import defs

    places = {f"{spec.group_name}/{spec.key.to_user_string()}" for spec in defs.resolve_all_asset_specs()}
    missing = [place for place in sorted(places) if not (repository / "assets" / f"{place}.py").is_file()]
    assert not missing
    files = {path.relative_to(repository / "assets").with_suffix("").as_posix() for path in asset_files(repository)}
    assert files - places == {"evaluation/checks", "release/checks", "robots/checks"}, (
        "a file in assets/<group>/ that is no asset"
    )


def asset_files(repository: Path) -> list[Path]:
    groups = {path for path in (repository / "assets").iterdir() if path.is_dir() and path.name != "support"}
    return [path for group in groups for path in group.glob("*.py") if path.name != "__init__.py"]


def test_an_assets_file_is_short(repository):
    assert too_long(repository, asset_files(repository), 100) == LONG_ASSETS


def test_a_program_is_short(repository):
    """What is started by `python -m` reads its options and hands over."""
    programs = [path for path in sources().values() if any(is_entry(node) for node in tree(path).body)]
    assert len(programs) > 10
    assert too_long(repository, programs, 100) == LONG_SCRIPTS


def is_entry(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


def test_no_file_is_longer_than_300_lines(repository):
    paths = [*sources().values(), *(repository / "tests").rglob("*.py")]
    assert too_long(repository, paths, 300) == LONG_FILES


def test_tests_mirror_the_rooms(repository):
    """The tests of a folder lie in the folder of the same name; those of no room are few and named here."""
    tests = repository / "tests"
    named = {path.relative_to(tests) for path in tests.rglob("test_*.py")}
    folders = {path.parent for path in named} - {Path(), Path("house"), Path("docs")}
    assert {folder.parts[0] for folder in folders} <= STOREY.keys()
    assert not [folder for folder in folders if not (repository / folder).is_dir()]


def test_there_is_no_other_python_than_in_rooms_and_tests(repository):
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=repository, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    assert {name.split("/")[0] for name in listed.stdout.split()} <= {*STOREY, "tests", "docs"}
