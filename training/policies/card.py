"""The model card of a trained LoRA: what it is, how to load it, how it scored, how it was made."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from models.video.facts import Family
from storage.json_files import read_object

HUB_ID = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")
MODULE = re.compile(r"models\.video\.\w+")
SIZES = {"num_frames": "frames", "height": "height", "width": "width"}
PRIVATE = re.compile(r"(^|_)(token|secret|password|api_key|base_url)$", re.IGNORECASE)


@dataclass(frozen=True)
class CardFacts:
    """What a model card tells besides the weights.

    `recipe`: the run's options as JSON. `scores`: a Markdown table, trusted (its maker escapes names). `numbers`: JSON
    for scores.json. `base_model`: a Hub id or a folder. `licence`: an SPDX id of the base model's licence, which the
    LoRA inherits; empty where unknown.
    """

    recipe: Mapping[str, Any]
    dataset_version: str
    scores: str
    base_model: str
    licence: str = ""
    numbers: Mapping[str, Any] = field(default_factory=dict)
    title: str = "Executor LoRA"


def model_card(facts: CardFacts, family: Family, loads_itself: bool, weights: str, whole: str = "") -> str:
    """README.md with the Hub's front matter. Paths of the machine it was made on and secrets are left out.

    `family` is the base model's; `loads_itself`: whether its pipeline can load the LoRA's file, named `weights`.
    `whole`: the name of the file of tensors that were trained whole beside the LoRA; empty where none were.
    """
    import yaml

    base = public_name(facts.base_model)
    on_hub = bool(HUB_ID.fullmatch(base)) and not Path(facts.base_model).exists()
    front: dict[str, Any] = {
        "library_name": "diffusers",
        "pipeline_tag": "image-to-video",
        "tags": ["lora", "image-to-video", "world-model", "wmsd"],
        **({"base_model": base, "base_model_relation": "adapter"} if on_hub else {}),
        **({"license": facts.licence} if facts.licence else {}),
    }
    recipe = yaml.safe_dump(published(facts.recipe), sort_keys=False, allow_unicode=True)
    method = one_line(str(facts.recipe.get("method", "unknown")))
    licence = f"`{one_line(facts.licence)}`, as the base model's" if facts.licence else "that of the base model"
    beside = f"- Trained whole: the tensors in `{whole}`, which take the place of the base model's\n" if whole else ""
    return f"""---
{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---

# {one_line(facts.title)}

With this LoRA an image-to-video model solves a task, given a picture and a short instruction. It was trained by World
Model Self-Distillation (method `{method}`).

- Base model: `{one_line(base)}`
- Training data: version `{one_line(facts.dataset_version)}`
- Licence: {licence}
{beside}
## Use

```python
{snippet(facts, family, loads_itself, weights, whole)}```

## Scores on held-out tasks

{facts.scores.strip()}

The scores are shares of tasks, with 95 % intervals. Tasks whose judgement failed are left out; their number is shown.

## Recipe

{fenced(recipe, "yaml")}"""


def snippet(facts: CardFacts, family: Family, loads_itself: bool, weights: str, whole: str = "") -> str:
    """Python that loads base and LoRA and makes one video, sampled as for the scores; runs in the card's own folder."""
    model, steps = facts.recipe.get("model", {}), facts.recipe.get("held_out", {}).get("steps", 8)
    base, dtype = public_name(facts.base_model), "float32" if model.get("dtype") == "float32" else "bfloat16"
    modules = own_modules(Path(facts.base_model))
    if loads_itself:
        load = 'pipe.load_lora_weights(".")  # or the Hub id of this repository'
    else:
        load = f'pipe.transformer.load_lora_adapter(".", prefix="transformer", weight_name="{weights}")'
    arguments = {name: model[key] for name, key in SIZES.items() if key in model} | {"num_inference_steps": steps}
    before, asked = family.pipeline_call(model, arguments, Path(facts.base_model))
    lines = [
        "import torch",
        f"from diffusers import {family.pipeline}",
        "from diffusers.utils import export_to_video, load_image",
        *(["from safetensors.torch import load_file"] if whole else []),
        *(f"import {module}  # of this project: a part of the base model" for module in modules),
        "",
        f"pipe = {family.pipeline}.from_pretrained({base!r}, dtype=torch.{dtype})",
        *(whole_lines(whole) if whole else []),
        load,
        *before,
        'image = load_image("first_frame.png")',
        "frames = pipe(",
        "    image=image,",
        '    prompt="[Agent]: the task.",',
        *(f"    {name}={value!r}," for name, value in asked.items()),
        ").frames[0]",
        f'export_to_video(frames, "video.mp4", fps={round(model.get("fps", 24))})',
    ]
    return "\n".join(lines) + "\n"


def whole_lines(file: str) -> list[str]:
    """Lines that put tensors trained whole in the base's place. They come before the LoRA, which renames layers."""
    return [
        f'whole = load_file("{file}")  # from the Hub: huggingface_hub.hf_hub_download(ID, "{file}")',
        "unknown = pipe.transformer.load_state_dict(whole, strict=False).unexpected_keys",
        'assert not unknown, f"another base model: {unknown}"',
    ]


def own_modules(base: Path) -> list[str]:
    """Of a base model in a folder: this project's modules that diffusers wants imported first. None on the Hub."""
    index = base / "model_index.json"
    if not index.is_file():
        return []
    parts = read_object(index).values()
    libraries = {part[0] for part in parts if isinstance(part, list) and part and isinstance(part[0], str)}
    return sorted(library for library in libraries if MODULE.fullmatch(library))


def published(value: Any, key: str = "") -> Any:
    """A recipe without what is nobody's business: the folders above absolute paths, secrets, servers."""
    if isinstance(value, Mapping):
        return {str(name): published(inner, str(name)) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [published(inner, key) for inner in value]
    if isinstance(value, str):
        return "***" if value and PRIVATE.search(key) else public_name(value)
    return value


def public_name(text: str) -> str:
    """An absolute or home path's last part; any other text as it is."""
    return PurePath(text).name if text.startswith(("/", "~")) else text


def one_line(text: str) -> str:
    """Text that stays inside a line of Markdown and inside backticks."""
    return "".join(c if c.isprintable() and c not in "`<>" else " " for c in text).strip()


def fenced(text: str, language: str) -> str:
    """A code block whose fence is longer than any run of backticks inside."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}{fence}\n"
