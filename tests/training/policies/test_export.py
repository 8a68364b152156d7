"""The exported folder is the policy that was trained, in diffusers' own pipelines; its card tells how and no more."""

import contextlib
import json
import os
import re
import subprocess
import sys
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from models.video.families import FAMILIES
from models.video.protocol import Condition
from models.video.wan.facts import WAN
from tests.models.video import tiny_video
from training.policies.card import CardFacts, model_card
from training.policies.export import export_lora
from training.policies.lora import Policies

RECIPE = {
    "method": "wmsd",
    "model": {"kind": "wan", "path": "/home/someone/base", "frames": 8, "height": 32, "width": 32, "fps": 4.0,
              "dtype": "float32"},
    "rollout": {"steps": 9},
    "held_out": {"steps": 2},
    "output": "/home/someone/secret project/out",
    "rewards": {"judge": {"api_key": "sk-1234", "api_key_env": "JUDGE_KEY", "base_url": "http://gpu7.lab:8000/v1",
                          "note": "```\n# not a heading"}},
}  # fmt: skip
SCORES = "| | Task |\n| --- | --: |\n| base under T | 0.285 |"
CARD = CardFacts(RECIPE, "v1|`x`", SCORES, "/home/someone/base", numbers={"task": {"base": 0.285}})


def policies_of(transformer, targets, *, alpha: float = 6.0, names=("executor",), whole=()) -> Policies:
    """Stirred, so that the adapter shows."""
    policies = Policies(transformer, names, rank=4, alpha=alpha, targets=targets, seed=3, whole=whole)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name in names:
            for parameter in policies.parameters(name):
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return policies


def velocity(model) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(2, *model.state_shape, generator=generator)
    image = torch.randn(2, 1 + model.state_shape[0], *model.state_shape[1:], generator=generator)
    condition = Condition({"image": image, "prompt": torch.randn(2, 24, 96, generator=generator)})
    with torch.no_grad():
        return model.velocity(x, torch.tensor([0.3, 0.8]), condition)


@pytest.mark.parametrize("alpha", [4.0, 6.0, 1.5])  # equal to the rank, larger, smaller
def test_wans_pipeline_loads_the_policy_whatever_alpha(tiny_wan, tiny_parts, tmp_path: Path, alpha: float):
    from diffusers import WanImageToVideoPipeline

    base, untouched = velocity(tiny_wan), deepcopy(tiny_wan.transformer)
    policies = policies_of(tiny_wan.transformer, tiny_wan.lora_targets, alpha=alpha, names=("executor", "fake"))
    with policies.use("executor"):
        wanted = velocity(tiny_wan)
    done = export_lora(policies, "executor", tmp_path / "it", family=WAN, card=CARD)
    assert done.tensors == len(policies.parameters("executor"))

    tiny_wan.transformer = tiny_parts["transformer"] = untouched
    pipe = WanImageToVideoPipeline(**tiny_parts, image_encoder=None, image_processor=None)
    pipe.load_lora_weights(tmp_path / "it")
    assert torch.equal(velocity(tiny_wan), wanted)
    assert (wanted - base).abs().max() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ltx2", "hunyuan15"])
def test_the_other_models_load_it_too(tmp_path: Path, kind: str):
    import diffusers

    from models.video.build_video_model import build_video_model
    from models.video.options import VideoModelOptions

    folder = tiny_video.BUILDERS[kind](tmp_path / "base")
    options = VideoModelOptions(**tiny_video.options_for(kind, folder))
    model = build_video_model(options)
    shape = model.shape
    image = torch.randint(0, 256, (1, shape.height, shape.width, 3), dtype=torch.uint8)
    condition = model.encode_image(image) | model.encode_prompt(["[Disc]: go."])
    x, sigma = model.start(model.noise([1]), condition), torch.tensor([0.7])

    @torch.no_grad()
    def velocity_now() -> torch.Tensor:
        return model.velocity(x, sigma, condition)

    base = velocity_now()
    policies = policies_of(model.transformer, model.lora_targets)
    with policies.use("executor"):
        wanted = velocity_now()
    export_lora(policies, "executor", tmp_path / "it", family=FAMILIES[kind], card=CARD)
    assert torch.equal(velocity_now(), base) and (wanted - base).abs().max() > 1e-4
    pipe = getattr(diffusers, FAMILIES[kind].pipeline).from_pretrained(folder, dtype=torch.float32)
    card = (tmp_path / "it" / "README.md").read_text()
    with working_in(tmp_path / "it"):  # the card's own line
        exec(next(line for line in card.splitlines() if "load_lora" in line), {"pipe": pipe})
    model.transformer = pipe.transformer
    assert torch.equal(velocity_now(), wanted)


@contextlib.contextmanager
def working_in(folder: Path):
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@pytest.mark.slow
def test_the_cards_snippet_runs(tiny_wan, tiny_parts, tmp_path: Path, repository: Path):
    """As its reader would run it: base and LoRA from folders, the microworld's VAE among the parts."""
    from PIL import Image

    from microworld.model.parts import save

    save(tiny_parts, tmp_path / "base")
    card = replace(CARD, base_model=str(tmp_path / "base"))
    policies = policies_of(tiny_wan.transformer, tiny_wan.lora_targets)
    export_lora(policies, "executor", tmp_path / "it", family=WAN, card=card)
    (tmp_path / "it" / "base").symlink_to(tmp_path / "base")
    Image.fromarray(np.full((32, 32, 3), 99, np.uint8)).save(tmp_path / "it" / "first_frame.png")
    code = re.search(r"```python\n(.*?)```", (tmp_path / "it" / "README.md").read_text(), re.DOTALL)[1]
    ran = subprocess.run(
        [sys.executable, "-c", code + "print(len(frames))"],
        cwd=tmp_path / "it",
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert ran.stdout.strip() == "8", "as many frames as in training"
    assert (tmp_path / "it" / "video.mp4").stat().st_size > 0


@pytest.mark.slow
@pytest.mark.parametrize("whole", [["proj_out", "scale_shift_table"], ["blocks.0.attn1.to_q"]])
def test_the_cards_lines_load_tensors_trained_whole_besides_the_lora(
    tiny_wan, tiny_parts, tmp_path: Path, whole: list[str]
):
    """Also where the LoRA lies on the very layer: then the order of the lines decides."""
    from microworld.model.parts import save

    save(tiny_parts, tmp_path / "it" / "base")
    base = velocity(tiny_wan)
    policies = policies_of(tiny_wan.transformer, tiny_wan.lora_targets, whole=whole)
    with policies.use("executor"):
        wanted = velocity(tiny_wan)
    (tmp_path / "it").rename(tmp_path / "made")
    card = replace(CARD, base_model="base")
    export_lora(policies, "executor", tmp_path / "it", family=WAN, card=card)
    (tmp_path / "it" / "base").symlink_to(tmp_path / "made" / "base")
    text = (tmp_path / "it" / "README.md").read_text()
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    assert "- Trained whole: the tensors in `whole_tensors.safetensors`" in text
    found: dict = {}
    with working_in(tmp_path / "it"):
        exec("import models.video.frame_vae\n" + code.split("image = load_image")[0], found)
    tiny_wan.transformer = found["pipe"].transformer
    assert torch.equal(velocity(tiny_wan), wanted) and (wanted - base).abs().max() > 1e-3


def test_a_card_without_whole_tensors_says_nothing_of_them():
    assert "whole" not in model_card(CARD, WAN, True, "w.safetensors")


def test_the_folder_is_whole_and_the_same_in_every_process(tiny_wan, tmp_path: Path):
    policies = policies_of(tiny_wan.transformer, tiny_wan.lora_targets)
    (tmp_path / "it").mkdir()
    (tmp_path / "it" / "old").touch()
    for name in ("it", "again"):
        export_lora(policies, "executor", tmp_path / name, family=WAN, card=CARD)
    files = sorted(path.name for path in (tmp_path / "it").iterdir())
    assert files == ["README.md", "pytorch_lora_weights.safetensors", "scores.json"]
    for name in files:
        assert (tmp_path / "it" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "it"]
    from safetensors import safe_open

    with safe_open(tmp_path / "it" / "pytorch_lora_weights.safetensors", framework="pt") as file:
        metadata = json.loads(file.metadata()["lora_adapter_metadata"])
        assert all(re.fullmatch(r"transformer\.blocks\..*\.lora_[AB]\.weight", key) for key in file.keys())  # noqa: SIM118
    assert metadata["transformer.target_modules"] == sorted(tiny_wan.lora_targets)
    assert (metadata["transformer.r"], metadata["transformer.lora_alpha"]) == (4, 6.0)
    assert json.loads((tmp_path / "it" / "scores.json").read_text()) == {"task": {"base": 0.285}}


def test_what_cannot_be_exported_is_named(tiny_wan, tmp_path: Path):
    policies = policies_of(tiny_wan.transformer, tiny_wan.lora_targets)
    with pytest.raises(KeyError, match=r"there is no adapter 'x': choose from \['executor'\]"):
        export_lora(policies, "x", tmp_path / "it", family=WAN, card=CARD)
    with pytest.raises(ValueError, match="diffusers has no pipeline class 'NoPipeline'"):
        export_lora(policies, "executor", tmp_path / "it", family=replace(WAN, pipeline="NoPipeline"), card=CARD)
    assert not (tmp_path / "it").exists()


def test_the_card_tells_recipe_and_scores_but_no_paths_and_no_secrets():
    text = model_card(CARD, WAN, True, "w.safetensors")
    front = yaml.safe_load(text.split("---\n")[1])
    assert front["library_name"] == "diffusers" and "base_model" not in front and "license" not in front
    assert "0.285" in text and "method: wmsd" in text and "api_key_env: JUDGE_KEY" in text and "`v1| x`" in text
    for hidden in ("/home", "someone", "secret project", "sk-1234", "gpu7"):
        assert hidden not in text
    # The recipe's own backticks do not end its block.
    assert text.count("````") == 2 and text.endswith("````\n")


def test_a_hub_model_and_its_licence_are_in_the_front_matter():
    facts = CardFacts(RECIPE, "v1", SCORES, "Wan-AI/Wan2.1-I2V", licence="apache-2.0")
    front = yaml.safe_load(model_card(facts, WAN, True, "w").split("---\n")[1])
    assert (front["base_model"], front["license"]) == ("Wan-AI/Wan2.1-I2V", "apache-2.0")


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_every_snippet_gives_only_arguments_that_its_pipeline_takes(family):
    import ast
    import inspect

    import diffusers

    recipe = {**RECIPE, "model": {**RECIPE["model"], "ltx2": {"schedule": "distilled"}}}
    text = model_card(CardFacts(recipe, "v1", SCORES, "a/b"), family, True, "w")
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    call = next(node for node in calls if isinstance(node.func, ast.Name) and node.func.id == "pipe")
    taken = inspect.signature(getattr(diffusers, family.pipeline).__call__).parameters
    assert {keyword.arg for keyword in call.keywords} <= taken.keys()
