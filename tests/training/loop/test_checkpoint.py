"""Whatever ends a writer, the newest checkpoint loads; what comes back is bitwise what was saved."""

import json
import os
import random
import re
import resource
import signal
import time
from pathlib import Path

import pytest
import torch

from storage.folders import building, sweep
from tests.training.tiny_run import step_of
from training import step_folders
from training.loop import checkpoint_files
from training.loop.checkpoint_files import DamagedCheckpoint, latest, load, save


def tensors_of(step: int, size: int = 50_000) -> dict[str, torch.Tensor]:
    return {"weight": torch.full((size,), float(step)), "half": torch.full((3, 2), step, dtype=torch.bfloat16)}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def in_child(work) -> int:
    """Runs `work` in a forked process and returns its id; the child never returns into the test."""
    child = os.fork()
    if child:
        return child
    try:
        work()
    finally:
        os._exit(0)


def test_everything_comes_back_bitwise(tmp_path: Path):
    base = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    tensors = {
        "transposed": base.T,
        "shared": base,
        "a view": base[1:3, ::2],
        "bf16": base.bfloat16(),
        "f64": base.double() / 3,
        "number": torch.tensor(7.0),
        "empty": torch.empty(0, 3),
        "nan": torch.tensor([float("nan"), float("-inf"), -0.0]),
        "bytes": torch.get_rng_state(),
        "integers": torch.arange(5),
    }
    state = {"note": 'caf\u00e9 \u2028 "', "numbers": [1, 2.5, None], "deep": {"x": {"y": True}}}
    path = save(tmp_path, 12, tensors, state, keep=1)
    assert names(path) == ["state.json", "state.safetensors"]
    back, told = load(path)
    assert told == state and back.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert back[name].dtype == tensor.dtype and back[name].shape == tensor.shape, name
        assert torch.equal(bits(back[name]), bits(tensor)), name


def bits(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.contiguous().reshape(-1).view(torch.uint8)


def test_the_same_state_gives_the_same_bytes(tmp_path: Path):
    one, two = (save(tmp_path / name, 3, tensors_of(3), {"b": 1, "a": 2}, 1) for name in "xy")
    for file in one.iterdir():
        assert file.read_bytes() == (two / file.name).read_bytes()


def test_old_checkpoints_go_by_count_and_steps_are_numbers(tmp_path: Path):
    assert latest(tmp_path / "none") is None
    for step in (9, 10, 100, 99_999_999, 100_000_000):
        save(tmp_path, step, tensors_of(step, 10), {}, keep=3)
    assert names(tmp_path) == ["step-00000100", "step-100000000", "step-99999999"]
    assert latest(tmp_path).name == "step-100000000"
    save(tmp_path, 50, tensors_of(50, 10), {}, keep=1)
    assert names(tmp_path) == ["step-00000050"], "what was just saved is never the one to go"
    assert step_of(latest(tmp_path)) == 50


def test_a_new_run_can_clear_the_old_ones(tmp_path: Path):
    step_folders.clear(tmp_path / "none")
    for step in (1, 2):
        save(tmp_path, step, tensors_of(step, 10), {}, keep=2)
    (tmp_path / "mine.txt").touch()
    step_folders.clear(tmp_path)
    assert latest(tmp_path) is None and names(tmp_path) == ["mine.txt"]


def test_a_step_saved_twice_is_replaced(tmp_path: Path):
    save(tmp_path, 5, tensors_of(1, 10), {"try": 1}, keep=2)
    save(tmp_path, 5, tensors_of(2, 10), {"try": 2}, keep=2)
    tensors, state = load(latest(tmp_path))
    assert state == {"try": 2} and tensors["weight"][0] == 2
    assert names(tmp_path) == ["step-00000005"]


@pytest.mark.slow
def test_a_writer_killed_anywhere_leaves_a_checkpoint_that_loads(tmp_path: Path):
    chance = random.Random(7)
    save(tmp_path, 0, tensors_of(0), {"step": 0}, keep=2)

    def write_for_ever() -> None:
        step = step_of(latest(tmp_path))
        while True:
            # Some steps twice, so that replacing is killed too.
            for _ in range(chance.choice((1, 2))):
                save(tmp_path, step + 1, tensors_of(step + 1), {"step": step + 1}, keep=2)
            step += 1

    for _ in range(25):
        chance.random()
        child = in_child(write_for_ever)
        time.sleep(chance.uniform(0.005, 0.12))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        newest = latest(tmp_path)
        tensors, state = load(newest)
        assert state["step"] == step_of(newest)
        assert tensors["weight"].unique().tolist() == [state["step"]]
        assert all(re.fullmatch(r"step-\d{8}", name) for name in names(tmp_path)), "no litter stays"
    assert state["step"] > 0, "the children did write"


def test_a_replacement_killed_between_its_renames_is_undone(tmp_path: Path):
    path = save(tmp_path, 5, tensors_of(5, 10), {"try": 1}, keep=2)
    path.rename(tmp_path / f".{path.name}.replaced")
    assert load(latest(tmp_path))[1] == {"try": 1}


def test_a_live_writer_is_not_swept(tmp_path: Path):
    with building(tmp_path / "place") as folder:
        (folder / "file").write_text("x")
        sweep(tmp_path)
        assert (folder / "file").exists()
    assert (tmp_path / "place" / "file").read_text() == "x"


def test_a_full_disk_leaves_the_older_checkpoints_alone(tmp_path: Path):
    save(tmp_path, 1, tensors_of(1), {"step": 1}, keep=1)

    def write_too_much() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            save(tmp_path, 2, tensors_of(2), {"step": 2}, keep=1)
        except OSError as error:
            os._exit(0 if "too large" in str(error) else 2)
        os._exit(1)

    _, status = os.waitpid(in_child(write_too_much), 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert names(tmp_path) == ["step-00000001"]
    assert load(latest(tmp_path))[1] == {"step": 1}


def damage_truncated(path: Path) -> None:
    data = (path / "state.safetensors").read_bytes()
    (path / "state.safetensors").write_bytes(data[: len(data) // 2])


def damage_flipped(path: Path) -> None:
    data = bytearray((path / "state.safetensors").read_bytes())
    data[-1] ^= 1
    (path / "state.safetensors").write_bytes(data)


def damage_json(path: Path) -> None:
    (path / "state.json").write_text((path / "state.json").read_text()[:-9])


def damage_format(path: Path) -> None:
    document = json.loads((path / "state.json").read_text())
    (path / "state.json").write_text(json.dumps({**document, "format": 99}))


DAMAGES = [
    damage_truncated,
    damage_flipped,
    damage_json,
    damage_format,
    lambda path: (path / "state.safetensors").unlink(),
    lambda path: (path / "state.json").unlink(),
    lambda path: (path / "state.json").write_text("[]"),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_an_error_that_names_it_and_the_one_before(tmp_path: Path, damage):
    for step in (10, 20):
        save(tmp_path, step, tensors_of(step, 100), {}, keep=2)
    damage(tmp_path / "step-00000020")
    with pytest.raises(DamagedCheckpoint, match=r"step-00000020 cannot be loaded.*one before, .*step-00000010"):
        load(latest(tmp_path))
    damage(tmp_path / "step-00000010")
    with pytest.raises(DamagedCheckpoint, match=r"step-00000010 cannot be loaded.*There is no earlier one"):
        load(tmp_path / "step-00000010")


def test_nonsense_is_refused(tmp_path: Path):
    for step, keep in ((1, 0), (-1, 1)):
        with pytest.raises(ValueError, match=f"step {step}, keep {keep}"):
            save(tmp_path, step, {}, {}, keep)
    with pytest.raises(ValueError, match="not JSON compliant"):
        save(tmp_path, 1, {}, {"loss": float("nan")}, 1)
    assert not names(tmp_path)


def trained(steps: int) -> tuple[list[torch.nn.Parameter], torch.optim.AdamW]:
    """Three parameters, of which the second never has a gradient."""
    generator = torch.Generator().manual_seed(3)
    parameters = [torch.nn.Parameter(torch.randn(n, 2, generator=generator)) for n in (2, 3, 4)]
    optimizer = torch.optim.AdamW([{"params": parameters[:1], "lr": 1e-2}, {"params": parameters[1:]}], lr=1e-3)
    train(parameters, optimizer, range(steps))
    return parameters, optimizer


def train(parameters, optimizer, steps) -> None:
    for step in steps:
        for number in (0, 2):
            parameters[number].grad = torch.sin(parameters[number].detach() * (step + 1))
        optimizer.step()


def test_an_optimizer_goes_on_bitwise(tmp_path: Path):
    labels = ["block.0/lora_A", "b", "c"]
    whole, _ = trained(9)
    parameters, optimizer = trained(5)
    state = {f"p/{i}": p.detach() for i, p in enumerate(parameters)}
    state |= checkpoint_files.optimizer_tensors([optimizer], dict(zip(labels, parameters, strict=True)))
    path = save(tmp_path, 5, state, {}, keep=1)
    tensors, _ = load(path)
    resumed, fresh = trained(0)
    with torch.no_grad():
        for i, parameter in enumerate(resumed):
            parameter.copy_(tensors[f"p/{i}"])
    checkpoint_files.load_optimizer([fresh], tensors, dict(zip(labels, resumed, strict=True)))
    train(resumed, fresh, range(5, 9))
    for left, right in zip(resumed, whole, strict=True):
        assert torch.equal(left, right)
    assert [group["lr"] for group in fresh.param_groups] == [1e-2, 1e-3]


def test_optimizer_names_must_fit():
    (a, b, c), optimizer = trained(1)
    for named in ({"a": a, "b": b}, {"a": a, "b": b, "c": b}, {"a": a, "b": b, "c": torch.nn.Parameter(c.detach())}):
        with pytest.raises(ValueError, match="3 belong to optimizers: both must be the same"):
            checkpoint_files.optimizer_tensors([optimizer], named)
    tensors = checkpoint_files.optimizer_tensors([optimizer], {"a": a, "b": b, "c": c})
    with pytest.raises(ValueError, match="state of 'c', which this run does not train"):
        checkpoint_files.load_optimizer([optimizer], tensors, {"a": a, "b": b, "d": c})


def test_random_states_come_back():
    torch.manual_seed(4)
    torch.rand(3)
    states = checkpoint_files.rng_tensors()
    first = torch.rand(5)
    checkpoint_files.load_rng({name: tensor.clone() for name, tensor in states.items()})
    assert torch.equal(torch.rand(5), first)
    assert all(tensor.dtype == torch.uint8 for tensor in states.values())
