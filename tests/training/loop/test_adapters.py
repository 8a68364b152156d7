"""A run keeps its adapter of every checkpoint step, in the form of final/, whatever becomes of the checkpoints."""

import pytest
import torch

from models.video.lora import find_lora, read_lora, wearing
from tests.training.tiny_run import Brightness, adapter, step_of
from training.loop import checkpoint_files
from training.policies import adapters
from training.policies.export import WEIGHTS
from training.train import main


@pytest.mark.slow
def test_adapters_stay_when_checkpoints_go_and_the_last_is_the_final_one(tiny_bench, tmp_path, monkeypatch):
    monkeypatch.setattr("training.rewards.judge.build_vlm", lambda _: Brightness())
    output = tmp_path / "run"
    run = {"steps": 5, "checkpoint_every": 2, "keep": 1}
    assert main(["--config", str(tiny_bench.config(output, run=run))]) == 0
    assert [step_of(path) for path in checkpoint_files.all_checkpoints(output / "checkpoints")] == [5]
    found = adapters.kept(output)
    assert list(found) == [2, 4, 5] and all(
        [one.name for one in path.iterdir()] == [WEIGHTS] for path in found.values()
    )
    files = {step: (path / WEIGHTS).read_bytes() for step, path in found.items()}
    assert files[5] == (output / "final" / WEIGHTS).read_bytes() and len(set(files.values())) == 3
    # A run that goes on adds to them; one that begins anew has none of the old ones.
    more = {"steps": 6, "checkpoint_every": 3, "keep": 1}
    assert main(["--config", str(tiny_bench.config(output, run=more))]) == 0
    assert list(adapters.kept(output)) == [2, 4, 5, 6]
    assert main(["--config", str(tiny_bench.config(output, run=run | {"steps": 2, "seed": 4})), "--fresh"]) == 0
    assert list(adapters.kept(output)) == [2]


def test_a_kept_adapter_is_the_policy_of_that_step(tiny_bench, tmp_path):
    trainer = tiny_bench.trainer(tmp_path / "run", run={"steps": 3, "checkpoint_every": 1})
    trainer.train_step(1)
    trainer.state.step = 1
    trainer.save()
    ours = sorted(adapter(trainer).items())
    transformer = tiny_bench.trainer(tmp_path / "other").model.transformer
    transformer.unload_lora()
    lora = find_lora(str(adapters.kept(tmp_path / "run")[1]))
    read, _ = read_lora(lora.file, transformer)
    with wearing(transformer, lora):
        assert len(read) == len(ours)
    assert all(torch.equal(mine, theirs) for (_, mine), (_, theirs) in zip(ours, sorted(read.items()), strict=True))


def test_a_step_that_is_not_due_leaves_none(tiny_bench, tmp_path):
    trainer = tiny_bench.trainer(tmp_path / "run", run={"steps": 9, "checkpoint_every": 4})
    for trainer.state.step in (3, 4, 7, 9):
        trainer.save()
    assert list(adapters.kept(tmp_path / "run")) == [4, 9]
    (tmp_path / "run" / "adapters" / "step-x").mkdir()
    adapters.clear(tmp_path / "run", after=4)
    assert list(adapters.kept(tmp_path / "run")) == [4]
