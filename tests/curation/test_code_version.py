"""A changed rule makes its table anew; putting the code in order does not; nobody forgets to say which it was."""

import ast
import json
import re
from pathlib import Path

import pyarrow as pa
import pytest

from curation import code_version
from curation.code_version import ROOT, CodeVersion, statement_digests
from curation.run_shard import run_shard
from curation.schemas import VERDICT
from curation.stage import Stage
from curation.stages import STAGES
from curation.versions import DECIDED
from storage.collection import Store

RULES, COMBINE, MEASURE = "curation/tasks/rules.py", "curation/aesthetics/combine.py", "curation/quality/measure.py"


def test_every_digest_of_today_is_known():
    """Fails after each change of code that decides rows: say in `known` whether they are the same (the version that
    they had) or others (a new one); `python -m curation.versions` prints the digests."""
    new = {name: code.digest for name, code in DECIDED.items() if code.digest not in code.known}
    assert not new


def test_finished_collections_stay_what_they_are():
    """The versions that tables, journals and releases have had so far."""
    assert {name: code.version for name, code in DECIDED.items()} == {
        "clips": "6",
        "frames": "5",
        "quality": "2",
        "aesthetics": "2",
        "screening": "2",
        "tasks": "4",
        "taxonomy": "2",
        "worldtasks": "3",
        "published_dataset": "2",
    }


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        (RULES, "> most else", ">= most else"),
        (RULES, '"solution_cut": _solution_cut,', ""),
        (RULES, '"entity",', '"entity", "robot",'),
        (COMBINE, "127.5) / 127.5", "128) / 128"),
        (COMBINE, "MAX_KNOTS = 1025", "MAX_KNOTS = 513"),
        (MEASURE, "NEAR_BLACK = 16", "NEAR_BLACK = 12"),
        (MEASURE, "INTER_AREA", "INTER_LINEAR"),
    ],
)
def test_a_changed_rule_or_threshold_gives_its_stages_another_version(tmp_path, path, old, new):
    source = (ROOT / path).read_text()
    assert old in source
    (tmp_path / "rules.py").write_text(source)
    (tmp_path / "changed.py").write_text(source.replace(old, new))
    first, changed = (CodeVersion((str(tmp_path / name),)) for name in ("rules.py", "changed.py"))
    assert first.version != changed.version == changed.digest
    decided = [stage.name for stage in STAGES if path in stage.decided_by]
    assert decided == {RULES: ["tasks"], COMBINE: ["aesthetics"], MEASURE: ["quality", "aesthetics"]}[path]


@pytest.mark.parametrize("path", [RULES, COMBINE, MEASURE])
def test_comments_docstrings_layout_imports_and_order_change_nothing(path):
    source = (ROOT / path).read_text()
    tree = ast.parse(source)
    tree.body = tree.body[:1] + tree.body[:0:-1]
    turned = "import os  # another import\n# a comment\n" + ast.unparse(tree)  # no comments, another layout
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            node.value.value = "In other words."
    reworded = ast.unparse(tree)
    for other in (turned, reworded):
        assert sorted(statement_digests(other)) == sorted(statement_digests(source))


def test_it_does_not_matter_which_of_the_files_a_function_is_in(tmp_path):
    files = [tmp_path / name for name in ("one.py", "two.py")]
    digests = []
    for first, second in (("a = 1\nb = 2\n", "c = 3\n"), ("a = 1\n", "c = 3\nb = 2\n")):
        files[0].write_text(first)
        files[1].write_text(second)
        code_version.file_digests.cache_clear()
        digests.append(CodeVersion(tuple(map(str, files))).digest)
    assert digests[0] == digests[1]


def test_the_kept_digests_are_those_of_the_file_as_it_is(tmp_path, monkeypatch):
    """They lie beside the bytecode, and a file that was changed since is read anew."""
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    (tmp_path / "__pycache__").mkdir()
    path = tmp_path / "rules.py"
    for number in (1, 2, 2):
        path.write_text(f"limit = {number}\n")
        code_version.file_digests.cache_clear()
        assert code_version.file_digests(path) == statement_digests(path.read_text())
    assert list((tmp_path / "__pycache__").glob("rules.*.digests"))


def test_a_changed_rule_rebuilds_a_finished_shard_and_a_comment_does_not(tmp_path):
    rules = tmp_path / "rules.py"
    schema = pa.schema([("name", pa.string()), *VERDICT])
    store = Store(tmp_path, "c", ("shard-0000",))
    built = []

    def run(source: str):
        rules.write_text(source)
        code_version.file_digests.cache_clear()
        stage = Stage(name="s", title="S", unit="frames", schema=schema, decided_by=(str(rules),))
        row = {"name": "a", "status": "kept", "reason": "", "detail": ""}
        return run_shard(
            store, stage, "shard-0000", {"limit": 3}, lambda shard: built.append(source) or [row], source=lambda _: "u"
        )

    assert [run(source).reused for source in ("LIMIT = 1", "LIMIT = 1  # why", '"""Words."""\nLIMIT = 1')] == [
        False,
        True,
        True,
    ]
    assert not run("LIMIT = 2").reused
    assert built == ["LIMIT = 1", "LIMIT = 2"]


def test_another_column_or_value_gives_another_version():
    one, two = (pa.schema([("a", pa.int32()), *more]) for more in ([], [("b", pa.int32())]))
    told = {"name": "s", "title": "S", "unit": "frames", "decided_by": ()}
    versions = {Stage(schema=schema, values=values, **told).version for schema in (one, two) for values in ([1], [2])}
    assert len(versions) == 4


# What deciding code imports and is yet no part of it, since what it adds is in a table's fingerprint by itself, or
# reaches no row: options and columns, prompts and models, how work is spread, files are written, pictures are checked
# against their hash and charts are drawn.
BY_ITSELF = re.compile(
    r"storage\..*|models\.(?!vlm\.tidy|clip).*|curation\.(\w+\.)?(options|stage|code|schemas|quality_metrics|shards|frame_files)|media\.(errors|pool)|pages\..*"
)


@pytest.mark.parametrize("name", DECIDED)
def test_nothing_that_decides_rows_is_left_out(name):
    files = set(DECIDED[name].files)
    for path in files:
        for node in ast.walk(ast.parse((ROOT / path).read_text())):
            if isinstance(node, ast.ImportFrom) and (ROOT / node.module.split(".")[0]).is_dir():
                found = f"{node.module.replace('.', '/')}.py"
                assert found in files or BY_ITSELF.fullmatch(node.module), f"{path} imports {node.module}"


def test_code_versions_are_told_without_loading_what_they_are_of(repository):
    import subprocess
    import sys

    code = "import sys, json; from curation.versions import DECIDED; "
    code += "[one.version for one in DECIDED.values()]; print(json.dumps(sorted(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    assert not {"cv2", "av", "scipy", "torch", "PIL", "dagster"} & set(json.loads(loaded.stdout))
    assert Path(ROOT) == repository
