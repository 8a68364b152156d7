"""What tells the training methods apart, as data: who rolls out, who learns from what."""

from dataclasses import dataclass, replace
from typing import Literal

from training.options import TrainOptions
from training.options.methods import Method, RobotMethod
from training.options.rewards import SOURCES

Role = Literal["executor", "demonstrator"]


@dataclass(frozen=True)
class Round:
    """One kind of training step: `learner` is trained on rollouts of `rollouts`.

    `rl`: its policy gradient. `scorers`: whose rewards it is about (training/rewards/scorers.py).
    `anchor`: the teacher is the Demonstrator at states of whoever rolled out (Eq. 11; Eq. 3 where the Demonstrator
    did). `base_anchor`: the teacher is the base under the learner's own prompt (Algorithm 2, line 15). `prefixes`:
    rollouts that each group's context makes first, at most (training/methods/contexts.py). `imitates`: no policy
    gradient, but a denoising loss on the rollouts that are chosen.
    """

    learner: Role
    rollouts: Role
    rl: bool = False
    scorers: tuple[str, ...] = ()
    anchor: bool = False
    base_anchor: bool = False
    prefixes: int = 0
    imitates: bool = False

    @property
    def judged(self) -> bool:
        return "judge" in self.scorers

    @property
    def distilled(self) -> bool:
        return "distill" in self.scorers

    @property
    def anchored(self) -> bool:
        return self.anchor or self.base_anchor

    @property
    def sampled_by_teacher(self) -> bool:
        """Off-policy rounds roll the teacher itself out, so that its velocities are at hand."""
        return self.rollouts == "demonstrator" and self.anchor


WMSD = Round("executor", "executor", rl=True, scorers=("judge", "distill"), anchor=True)
TEACHER_RL = Round("demonstrator", "demonstrator", rl=True, scorers=("judge",), base_anchor=True)
OFF_POLICY = Round("executor", "demonstrator", anchor=True)

# Each method of rounds is a cycle of them; of `alternating` its period chooses. The others have no rounds.
ROUNDS: dict[Method | RobotMethod, tuple[Round, ...]] = {
    "wmsd": (WMSD,),
    "off_policy": (OFF_POLICY,),
    "on_policy_anchor": (Round("executor", "executor", anchor=True),),
    "on_policy_full": (Round("executor", "executor", rl=True, scorers=("distill",), anchor=True),),
    "rl_only": (Round("executor", "executor", rl=True, scorers=("judge",)),),
    "off_policy_teacher_rl": (TEACHER_RL, OFF_POLICY),
    "alternating": (WMSD, TEACHER_RL),
    "persistworld": (Round("executor", "executor", rl=True, scorers=("frames",)),),
    "best_of_k_sft": (Round("executor", "executor", rl=True, scorers=("frames",), imitates=True),),
}


def rounds_of(method: Method | RobotMethod) -> tuple[Round, ...]:
    """The rounds of a method; none for one that is no policy gradient and no distillation on rollouts."""
    return ROUNDS.get(method, ())


def round_of(options: TrainOptions, step: int) -> Round:
    """The round of a step (from 1), without what has no weight: a term that counts for nothing costs no model calls.

    `alternating` trains the Demonstrator when step mod `distill.period` == 0 (Alg. 2). A round that only distills has
    weight 1, whatever beta_d is.
    """
    cycle, distill = ROUNDS[options.method], options.distill
    if options.method == "alternating":
        part = cycle[1] if step % distill.period == 0 else cycle[0]
    else:
        part = cycle[(step - 1) % len(cycle)]
    if not part.rl:
        return part
    return replace(
        part,
        prefixes=part.prefixes + options.rollout.prefixes,
        scorers=tuple(name for name in part.scorers if SOURCES[name].watched or options.rewards.weight_of(name)),
        anchor=part.anchor and distill.beta_d > 0,
        base_anchor=part.base_anchor and distill.beta_phi > 0,
    )


def learners_of(method: Method | RobotMethod) -> tuple[str, ...]:
    """The policies that a method trains. The Demonstrator is the base wherever it is not among them."""
    if method == "dmd":
        return ("executor", "fake")
    trains_demonstrator = any(part.learner == "demonstrator" for part in rounds_of(method))
    return ("executor", "demonstrator") if trains_demonstrator else ("executor",)
