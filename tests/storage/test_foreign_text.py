"""YAML, JSON and safetensors that somebody hands over: whatever is in a file, one error names it and nothing dies."""

import json
import struct

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from evaluation.benchmarks.benchmark import BadBenchmark
from evaluation.benchmarks.worldtasks.lines import read_objects
from evaluation.benchmarks.worldtasks.release import _version
from evaluation.records import Sample, read_lines, read_one
from models.clip import load_head
from models.video.checkpoint import Checkpoint
from models.video.lora import BadLoRA, read_lora
from models.video.whole_tensors import in_place
from models.weights import check_whole
from pipelines.commands import checked
from storage.damage import Damaged
from storage.json_files import NotJson, read_json, read_object
from storage.options import InvalidOptions, Options, read_options
from storage.strict_yaml import DEEPEST, DuplicateKey, read_yaml
from storage.tables import META_KEY, digest, read_meta
from training.conditions.folder import read_manifest
from training.conditions.release import clips_of
from training.conditions.store import ConditionStore, DamagedConditions, StaleConditions
from training.loop.checkpoint_files import DamagedCheckpoint, load
from training.planning.recipe import recipe_options
from training.policies.card import own_modules

YAML = {
    "flow, 5,000 deep": "a: " + "[" * 5000 + "]" * 5000,
    "flow, 100,000 deep": "a: " + "[" * 100_000,  # the C loader alone ends the process
    "mappings": "a: " + "{a: " * 5000 + "1" + "}" * 5000,
    "block": "\n".join(" " * depth + "-" for depth in range(3000)),
    "dashes": "- " * 100_000 + "x",
    "mapping as key": "? {a: 1}\n: 2",
    "list as key": "? [a]\n: 2",
    "no such day": "a: 2024-02-31",
    "digits": "a: " + "9" * 5000,
    "tag of truth": "a: !!bool x",
    "tag of time": "a: !!timestamp x",
    "tag of mappings": "a: !!map x",
    "tag of objects": "a: !!python/object/apply:os.system [exit]",
    "in itself": "a: &a [*a]",
    "laughs": "a0: &a0 [x, x, x, x, x, x, x, x]\n"
    + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 8)}]\n" for n in range(1, 12)),
    "no UTF-8": b"a: \xff",
    "NUL": "a: \0",
    "cut off": "a: [",
}
JSON = {
    "nested": b"[" * 100_000,
    "nested objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "no UTF-8": b'{"a": "\xff"}',
    "digits": b'{"a": ' + b"9" * 5000 + b"}",
    "cut off": b'{"a": ',
    "empty": b"",
    "list": b"[]",
    "null": b"null",
    "text": b'"version"',
}


@pytest.mark.parametrize("kind", YAML)
def test_yaml_of_any_kind_is_one_error_that_names_the_file(tmp_path, kind):
    path, text = tmp_path / "recipe.yaml", YAML[kind]
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=r"recipe\.yaml is not YAML: "):
        read_yaml(path)
    with pytest.raises(InvalidOptions, match=r"recipe\.yaml is not YAML: "):
        read_options(path, Options, "options")
    for read in (lambda: checked(path, "build"), lambda: recipe_options(path)):
        with pytest.raises(ValueError, match=r"recipe\.yaml is not YAML: "):
            read()


def test_anchors_and_a_hundred_levels_are_read_as_ever(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("base: &base {a: 1, b: [2]}\none: *base\ntwo: [*base, *base]\n")
    base = {"a": 1, "b": [2]}
    assert read_yaml(path) == {"base": base, "one": base, "two": [base, base]}
    path.write_text("[" * DEEPEST + "]" * DEEPEST)
    assert read_yaml(path) is not None
    path.write_text("a: 1\nb: 2\na: 3\n")
    with pytest.raises(DuplicateKey, match=r"a\.yaml, line 3: key 'a' appears twice"):
        read_yaml(path)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=30,
)


@given(VALUES, st.booleans())
def test_what_yaml_writes_is_read_back(tmp_path_factory, value, flow):
    path = tmp_path_factory.mktemp("yaml") / "a.yaml"
    path.write_text(yaml.safe_dump(value, default_flow_style=flow), encoding="utf-8")
    assert read_yaml(path) == value


@pytest.mark.parametrize("text", ["1: 2", "ops: {frames: {config: {yes: 2}}}", "ops:\n- 2024-01-01: x"])
def test_a_recipes_key_that_is_no_text_is_named(tmp_path, text):
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"is no name, but a (int|bool|date): put it in quotes"):
        checked(tmp_path / "r.yaml", "build")


@pytest.mark.parametrize("kind", JSON)
def test_json_of_any_kind_is_one_error_that_names_the_file(tmp_path, kind):
    path, data = tmp_path / "f.json", JSON[kind]
    path.write_bytes(data)
    with pytest.raises(NotJson, match=r"f\.json ") as caught:
        read_object(path, "version")
    assert len(str(caught.value).replace(str(path), "")) < 200
    if kind not in ("list", "null", "text"):
        with pytest.raises(NotJson, match=r"f\.json is not JSON"):
            read_json(path)


def readers(folder, data):
    """Each thing that reads a file which others may have written, given one that holds `data`."""

    def put(name):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    line = put("ids/train.jsonl")
    yield NotJson, line, lambda: clips_of(folder, "train")
    yield (DamagedConditions, StaleConditions), put("c/manifest.json"), lambda: ConditionStore(folder / "c")
    yield NotJson, put("c/manifest.json"), lambda: read_manifest(folder / "c")
    yield NotJson, put("model_index.json"), lambda: own_modules(folder)
    yield NotJson, put("model_index.json"), lambda: Checkpoint(folder, "here").index()
    yield NotJson, put("vae/config.json"), lambda: Checkpoint(folder, "here").check({"vae": "weights"})
    yield BadBenchmark, put("manifest.json"), lambda: _version(folder)
    yield BadBenchmark, put("samples.jsonl"), lambda: list(read_objects(folder / "samples.jsonl"))
    yield ValueError, put("samples.jsonl"), lambda: list(read_lines(folder / "samples.jsonl", Sample))
    yield ValueError, put("sample.json"), lambda: read_one(folder / "sample.json", Sample)
    put("step-00000001/state.safetensors")
    yield DamagedCheckpoint, put("step-00000001/state.json"), lambda: load(folder / "step-00000001")


@pytest.mark.parametrize("kind", ["nested", "nested objects", "no UTF-8", "digits", "cut off"])
def test_whoever_reads_a_file_of_others_names_it(tmp_path, kind):
    for errors, path, read in readers(tmp_path, JSON[kind]):
        with pytest.raises(errors) as caught:
            read()
        assert path.name in str(caught.value) and len(str(caught.value)) < 600


def test_a_tokenizer_that_is_no_json_is_named_before_a_library_reads_it(tmp_path):
    (tmp_path / "tokenizer").mkdir()
    (tmp_path / "tokenizer" / "tokenizer.json").write_text("[]")
    (tmp_path / "tokenizer" / "tokenizer_config.json").write_bytes(JSON["nested"])
    with pytest.raises(NotJson, match=r"tokenizer_config\.json is not JSON that can be read: it is nested too deep"):
        Checkpoint(tmp_path, "here").check({"tokenizer": "tokenizer"})
    (tmp_path / "model_index.json").write_text(
        json.dumps({"image_encoder": 5, "vae": [None, None], "unet": ["a", "b"]})
    )
    assert [Checkpoint(tmp_path, "here").has(name) for name in ("image_encoder", "vae", "unet")] == [False, False, True]


@pytest.mark.parametrize("kind", ["nested", "nested objects", "no UTF-8", "list", "null", "cut off"])
def test_a_safetensors_header_of_any_kind_is_one_error_that_names_the_file(tmp_path, kind):
    from torch import nn

    path, header = tmp_path / "w.safetensors", JSON[kind]
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))

    def whole() -> None:
        with in_place(nn.Linear(1, 1), path):
            pass

    for error, read in (
        (ValueError, lambda: check_whole(path)),
        (ValueError, lambda: load_head(path)),
        (BadLoRA, lambda: read_lora(path, nn.Linear(1, 1))),
        (ValueError, whole),
    ):
        with pytest.raises(error, match=r"w\.safetensors") as caught:
            read()
        assert len(str(caught.value)) < 600


def test_a_tables_meta_that_is_no_json_is_a_damaged_table(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "t.parquet"
    for data in (JSON["nested"], JSON["cut off"]):
        pq.write_table(pa.table({"a": [1]}).replace_schema_metadata({META_KEY: data}), path)
        assert read_meta(path) == {}
        with pytest.raises(Damaged, match=r"t\.parquet is damaged"):
            digest(path)
