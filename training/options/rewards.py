"""Options of rewards: who judges, what each reward weighs, how rewards become advantages."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, Field, create_model, model_validator

from models.vlm.asking import AskOptions
from models.vlm.questions import NAMES, QUESTIONS
from storage.options import Options, retired

ERRS = ("judge_noise", "judge_flip")  # options of a scripted VLM that make its judgements err


class JudgeOptions(AskOptions):
    """Who judges videos, what is asked, and how much may fail. Unknown names are errors."""

    max_failed_share: float = Field(
        0.2, ge=0, le=1, description="Share of a question's judgements that may fail before the run stops."
    )

    def without_errors(self) -> "JudgeOptions":
        """The same judge without the errors it was told to make: held-out tasks are judged by it."""
        return self.model_copy(update={"vlm": self.vlm.model_copy(update=dict.fromkeys(ERRS, 0.0))})


@dataclass(frozen=True)
class Source:
    """A scorer as recipes know it: the rewards it gives, whether it looks at decoded `videos`, and whether it is
    `watched`, that is asked and logged even where no reward of it has a weight."""

    rewards: tuple[str, ...]
    videos: bool = False
    watched: bool = False


SOURCES = {
    "judge": Source(NAMES, videos=True, watched=True),
    "distill": Source(("distill",)),
    "frames": Source(("lpips", "ssim", "psnr"), videos=True, watched=True),  # weights: training/options/robots.py
}
# A weight for each reward that a scorer gives, under the reward's name. A new question or scorer is one entry.
WEIGHTS: dict[str, tuple[float, str]] = {
    **{one.name: (one.weight, f"Weight of the judge's log-odds that {one.yes}.") for one in QUESTIONS},
    "distill": (1.0, "Weight of r_distill (lambda_distill, Eq. 9)."),
}
Weights = create_model(
    "Weights",
    __base__=Options,
    **{name: (float, Field(weight, ge=0, description=said)) for name, (weight, said) in WEIGHTS.items()},
)


class RewardOptions(Weights):
    """Weights by reward, and how rewards become advantages."""

    normalise: bool = Field(False, description="Divide each reward by its running standard deviation first.")
    std_scope: Literal["group", "global"] = Field("group", description="Whose standard deviation divides advantages.")
    clip: float = Field(5.0, gt=0, description="Advantages are clipped to [-clip, clip].")
    scale: float = Field(1.0, gt=0, description="Clipped advantages are rescaled to [-scale, scale].")
    best: int = Field(0, ge=0, description="Rollouts with the highest rewards trained in each group.")
    worst: int = Field(0, ge=0, description="Rollouts with the lowest rewards trained. Both 0: all rollouts.")
    judge: JudgeOptions = JudgeOptions()
    judge_noise: float | None = retired("use rewards.judge.vlm.judge_noise, which takes over its value.")
    judge_flip: float | None = retired("use rewards.judge.vlm.judge_flip, which takes over its value.")

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each reward by its name."""
        return {name: getattr(self, name) for name in WEIGHTS}

    def weight_of(self, source: str) -> float:
        """The sum of the weights of the rewards that a scorer gives."""
        return sum(self.weights[name] for name in SOURCES[source].rewards)

    @model_validator(mode="before")
    @classmethod
    def _moved(cls, given: Any) -> Any:
        return cls.upgraded(given) if isinstance(given, dict) else given

    @classmethod
    def upgraded(cls, saved: Mapping[str, Any]) -> dict[str, Any]:
        """`judge_noise` and `judge_flip` are options of the judge's VLM; before, rewards had their own beside them.
        Where the VLM's own are given too, these hold."""
        told = {name: saved[name] for name in ERRS if saved.get(name)}
        judge = saved.get("judge") or {}
        if not told or isinstance(judge, BaseModel):
            return dict(saved)
        return {**saved, "judge": {**judge, "vlm": {**told, **_set(judge.get("vlm") or {})}}}


def _set(vlm: Mapping[str, Any]) -> dict[str, Any]:
    """A VLM's block without errors that are 0, as a saved recipe has them at their default."""
    return {name: value for name, value in vlm.items() if name not in ERRS or value}


if clash := WEIGHTS.keys() & (RewardOptions.__annotations__.keys() | {"weights"}):
    raise TypeError(f"rewards {sorted(clash)} are names of other options: choose other names for these rewards")
