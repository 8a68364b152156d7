"""The encoder's program: what it refuses before it does any work."""

import shutil

import pytest

from training.conditions import job as encode_job


@pytest.mark.parametrize(
    ("change", "lost", "said"),
    [
        ({"height": 36}, None, "36 pixels do not fit.*32 or 40"),
        ({}, "vae/diffusion_pytorch_model.safetensors", "vae has no weights"),
        ({"lora_targets": ["to_q", "to_w"]}, None, "LoRA target 'to_w' matches no linear layer"),
    ],
)
def test_a_model_that_cannot_be_built_is_refused_before_a_window_is_labelled(
    tiny_model, release_store, tmp_path, monkeypatch, change, lost, said
):
    monkeypatch.setattr(encode_job, "labels_of", lambda *_: pytest.fail("the VLM was asked"))
    path = tmp_path / "checkpoint"
    shutil.copytree(tiny_model["path"], path)
    change = dict(change)
    if lost:
        (path / lost).unlink()
    job = {
        "lora_targets": change.pop("lora_targets", []),
        "options": {"model": tiny_model | {"path": str(path)} | change, "sft_videos": {"count": 2}},
        "out": str(tmp_path / "out"),
        "dataset_version": "0",
        "tree": str(release_store.published / "latest"),
        "folder": str(release_store.folder),
    }
    with pytest.raises((ValueError, FileNotFoundError), match=said):
        encode_job.encode(job)
