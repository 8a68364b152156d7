"""The model card of a trained robot world model."""

import yaml

from training.options.robots import RobotTrainOptions
from training.policies.card import HUB_ID, fenced, one_line, public_name, published

METHODS = {
    "persistworld": "post-trained on its own closed-loop rollouts (PersistWorld)",
    "best_of_k_sft": "fine-tuned on the best of its own rollouts",
    "teacher_forcing": "fine-tuned by teacher forcing",
    "teacher_forcing_longer": "fine-tuned by teacher forcing",
    "noisy_history": "fine-tuned by teacher forcing behind a noisy history",
}


def robot_card(options: RobotTrainOptions, contract: str, version: str, step: int, scores: str) -> str:
    """README.md with the Hub's front matter, for episodes of an action `contract` in their `version`. Paths of the
    machine it was made on and secrets are left out."""
    base = public_name(options.model.path)
    front = {
        "library_name": "diffusers",
        "pipeline_tag": "image-to-video",
        "tags": ["robotics", "world-model", "action-conditioned"],
        **({"base_model": base} if HUB_ID.fullmatch(base) else {}),
        **({"license": options.licence} if options.licence else {}),
    }
    recipe = yaml.safe_dump(published(options.model_dump(mode="json")), sort_keys=False, allow_unicode=True)
    shape = options.model
    return f"""---
{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---

# A robot world model

It predicts what a robot's cameras will see under given actions. It was {METHODS[options.method]}.

- Base model: `{one_line(base)}`
- Episodes: contract `{one_line(contract)}`, version `{one_line(version)}`
- Views: {", ".join(f"`{one_line(view)}`" for view in shape.views)}, {shape.height} x {shape.width} pixels each
- A chunk is {shape.frames} frames, the current one first, behind a history of {shape.history}
- Training step: {step}
- LPIPS: {options.rewards.metrics.off or "on"}
- Licence: {f"`{one_line(options.licence)}`, as the base model's" if options.licence else "that of the base model"}

`model.safetensors` holds all weights under Ctrl-World's names. `statistics.json` holds the quantiles that actions are
normalised by: use these and no others.

## Scores on held-out episodes

{scores.strip()}

## Recipe

{fenced(recipe, "yaml")}"""
