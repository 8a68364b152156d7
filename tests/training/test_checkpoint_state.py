"""state.json of a checkpoint: no damage passes for what was written, and its error names the file and the way out."""

import copy
import json
from pathlib import Path

import pytest

from storage.damage import Damaged
from tests.training.tiny_run import VERSION
from training.checkpoint_state import STATE, DamagedCheckpoint, read_state
from training.loop import checkpoint_files
from training.options.reading import read_options
from training.run_folder import Run, ended
from training.train import main


@pytest.fixture(scope="module")
def trained(tiny_bench, tmp_path_factory) -> Run:
    """A run of two steps with a checkpoint of each, seen from outside."""
    output = tmp_path_factory.mktemp("run") / "run"
    more = {"rewards": {"normalise": True}, "run": {"steps": 2, "keep": 2}}
    config = tiny_bench.config(output, more)
    assert main(["--config", str(config)]) == 0
    state, _ = read_state(checkpoint_files.latest(output / "checkpoints"))
    assert state["dataset_version"] == VERSION
    return Run(read_options(config), output, VERSION, state["model"], "", 1)


@pytest.fixture
def newest(trained: Run):
    """Its newest checkpoint, which is mended after the test."""
    folder = checkpoint_files.latest(trained.output / "checkpoints")
    before = (folder / STATE).read_bytes()
    yield folder
    (folder / STATE).write_bytes(before)


def test_no_flipped_bit_passes_for_what_was_written(newest):
    file, silent, noticed = newest / STATE, [], 0
    data, (state, tensors) = file.read_bytes(), read_state(newest)
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1 << place % 8
        file.write_bytes(changed)
        try:
            if read_state(newest) != (state, tensors):  # 1e-3 may become 1E-3
                silent.append(place)
        except DamagedCheckpoint as error:
            noticed += 1
            assert f"{file} is damaged" in str(error) and "Remove this folder to continue from the one" in str(error)
    assert not silent and noticed > 0.99 * len(data)


def test_a_checkpoint_from_before_state_had_a_hash_goes_on(trained, newest):
    document = json.loads((newest / STATE).read_text())
    told = read_state(newest)
    assert document.pop("sha256")
    (newest / STATE).write_text(json.dumps(document))
    assert read_state(newest) == told and checkpoint_files.load(newest)[1] == told[0]
    trained.begin(fresh=False)


DAMAGES = {
    "nested": "[" * 100_000,
    "nested object": '{"state": ' + '{"a":' * 100_000,
    "no object": "[]",
    "null": "null",
    "empty": "",
    "infinite": '{"state": {"step": 1e999}, "sha256": "0"}',
    "hash is a list": '{"state": {}, "sha256": []}',
}
TYPED = {
    "format": [2],
    "tensors_sha256": None,
    "state": [],
    "state.step": "2",
    "state.recipe": "wmsd",
    "state.recipe.rewards.judge": [1],
    "state.dataset_version": None,
    "state.model": 7,
    "state.notes": ["scored"],
    "state.normalisers": None,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_of_any_form_is_one_error(trained, newest, damage):
    (newest / STATE).write_text(DAMAGES[damage])
    refused(trained, newest)


@pytest.mark.parametrize("name", TYPED)
def test_a_value_of_another_type_in_an_old_checkpoint_is_one_error(trained, newest, name):
    document = json.loads((newest / STATE).read_text())
    del document["sha256"]
    if name == "state.recipe.rewards.judge":
        document["state"]["recipe"]["rewards"]["judge_noise"] = 0.5  # an option from then, which is moved
    *above, last = name.split(".")
    block = document
    for key in above:
        block = block[key]
    block[last] = copy.copy(TYPED[name])
    (newest / STATE).write_text(json.dumps(document))
    refused(trained, newest)


def refused(run: Run, newest: Path) -> None:
    """Neither a launch nor the trainer takes `newest`, and a launch leaves all as it was."""
    (run.output / "done.json").write_text("{}")
    (run.output / "config.yaml").write_text("method: other")
    for attempt in (lambda: run.begin(fresh=False), lambda: restored(run, newest)):
        with pytest.raises(DamagedCheckpoint) as caught:
            attempt()
        said = str(caught.value)
        assert f"checkpoint {newest} cannot be loaded" in said and str(newest / STATE) in said
        assert "Remove this folder to continue from the one before" in said and len(said) < 1000
    assert (run.output / "done.json").read_text() == "{}"
    assert (run.output / "config.yaml").read_text() == "method: other"
    run.begin(fresh=True)  # this is a way out too


def restored(run: Run, newest: Path) -> None:
    from training.loop.recipe_change import check_goes_on

    _, state = checkpoint_files.load(newest)
    check_goes_on(newest, state, run.options, dataset_version=VERSION, model=run.model)


def test_the_note_of_a_finished_run_is_covered_too(tmp_path, trained):
    run = Run(trained.options, tmp_path, VERSION, trained.model, "", 1)
    assert ended(tmp_path) == {}
    run.end()
    assert ended(tmp_path) == {"fingerprint": run.fingerprint, "dataset_version": VERSION}
    note = tmp_path / "done.json"
    data = note.read_bytes()
    for place in range(len(data) - 1):
        changed = bytearray(data)
        changed[place] ^= 1 << place % 8
        note.write_bytes(changed)
        with pytest.raises(Damaged, match=r"done.json is damaged .*: run this training again"):
            ended(tmp_path)
    note.write_text(json.dumps({"fingerprint": "0123", "dataset_version": "abc"}))
    assert ended(tmp_path)["fingerprint"] == "0123", "one from before notes had hashes"
