"""Pushing a trained Executor: one commit of its files, errors as one message, and a token that is never told."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from storage.hub import PushFailed
from tests.nonsense_hub import NONSENSE, TOKEN, nonsense_hub
from training.policies.export import push
from training.push import main as command


class Hub:
    """Stands for the Hub's client: takes one upload, or breaks off."""

    def __init__(self, error: Exception | None = None):
        self.error, self.said = error, []

    def create_repo(self, **asked) -> None:
        self.said.append(asked)

    def upload_folder(self, **asked):
        if self.error:
            raise self.error
        self.said.append(asked)
        return SimpleNamespace(oid="abc123")


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    for name in ("pytorch_lora_weights.safetensors", "README.md"):
        (tmp_path / name).touch()
    return tmp_path


def test_a_push_is_one_commit_of_the_three_files(exported: Path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub = Hub()
    assert push(exported, "me/lora", True, hub) == "https://huggingface.co/me/lora/tree/abc123"
    assert hub.said[0] == {"repo_id": "me/lora", "repo_type": "model", "private": True, "exist_ok": True}
    assert hub.said[1]["allow_patterns"] == ["pytorch_lora_weights.safetensors", "README.md", "scores.json"]


def test_a_final_folder_is_pushed_by_one_command_private_unless_told(exported: Path, monkeypatch, capsys):
    hub = Hub()
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr("huggingface_hub.HfApi", lambda token: hub)
    assert [command([str(exported), "me/lora", *more]) for more in ([], ["--public"])] == [0, 0]
    assert [one["private"] for one in hub.said if "private" in one] == [True, False]
    assert capsys.readouterr().out.splitlines() == ["https://huggingface.co/me/lora/tree/abc123"] * 2
    assert command([str(exported / "nothing"), "me/lora"]) == 1
    assert "give the folder final/ of a training run" in capsys.readouterr().err


@pytest.mark.parametrize("answer", NONSENSE)
def test_a_hub_that_answers_nonsense_has_not_taken_the_push(exported: Path, monkeypatch, capsys, answer):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with nonsense_hub(NONSENSE[answer]) as api:
        monkeypatch.setattr("huggingface_hub.HfApi", lambda token: api)
        assert command([str(exported), "me/lora"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("PushFailed: the Hub's answer was not understood (") and TOKEN not in said


def test_a_push_says_what_is_missing_and_never_the_token(exported: Path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with pytest.raises(PushFailed, match=r"OSError: no way with \*\*\*") as caught:
        push(exported, "me/lora", False, Hub(OSError("no way with hf_secret")))
    assert "hf_secret" not in str(caught.value) and caught.value.__suppress_context__
    (exported / "README.md").unlink()
    with pytest.raises(ValueError, match=r"has no README\.md"):
        push(exported, "me/lora", False, Hub())
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(ValueError, match="HF_TOKEN"):
        push(exported, "me/lora", False, Hub())
