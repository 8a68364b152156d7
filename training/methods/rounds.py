"""What tells the training methods apart, as data: who rolls out, who learns from what."""

from dataclasses import dataclass, replace
from typing import Literal

from training.options import Method, TrainOptions

Role = Literal["executor", "demonstrator"]


@dataclass(frozen=True)
class Round:
    """One kind of training step: `learner` is trained on rollouts of `rollouts`.

    `rl`: its policy gradient. `judged`: the judge's rewards count. `distilled`: r_distill counts (Eq. 9). `anchor`:
    the teacher is the Demonstrator at states of whoever rolled out (Eq. 11; Eq. 3 where the Demonstrator did).
    `base_anchor`: the teacher is the base under the learner's own prompt (Algorithm 2, line 15).
    """

    learner: Role
    rollouts: Role
    rl: bool = False
    judged: bool = False
    distilled: bool = False
    anchor: bool = False
    base_anchor: bool = False
    kind: Literal["policy", "sft", "dmd"] = "policy"


WMSD = Round("executor", "executor", rl=True, judged=True, distilled=True, anchor=True)
TEACHER_RL = Round("demonstrator", "demonstrator", rl=True, judged=True, base_anchor=True)
OFF_POLICY = Round("executor", "demonstrator", anchor=True)

# Each method is a cycle of rounds; of `alternating` its period chooses.
METHODS: dict[Method, tuple[Round, ...]] = {
    "wmsd": (WMSD,),
    "off_policy": (OFF_POLICY,),
    "on_policy_anchor": (Round("executor", "executor", anchor=True),),
    "on_policy_full": (Round("executor", "executor", rl=True, distilled=True, anchor=True),),
    "rl_only": (Round("executor", "executor", rl=True, judged=True),),
    "off_policy_teacher_rl": (TEACHER_RL, OFF_POLICY),
    "alternating": (WMSD, TEACHER_RL),
    "sft": (Round("executor", "executor", kind="sft"),),
    "dmd": (Round("executor", "executor", kind="dmd"),),
}


def round_of(options: TrainOptions, step: int) -> Round:
    """The round of a step (from 1), without what has no weight: a term that counts for nothing costs no model calls.

    `alternating` trains the Demonstrator when step mod `distill.period` == 0 (Alg. 2). A round that only distills has
    weight 1, whatever beta_d is.
    """
    cycle, distill = METHODS[options.method], options.distill
    if options.method == "alternating":
        part = cycle[1] if step % distill.period == 0 else cycle[0]
    else:
        part = cycle[(step - 1) % len(cycle)]
    if not part.rl:
        return part
    return replace(
        part,
        distilled=part.distilled and options.rewards.distill > 0,
        anchor=part.anchor and distill.beta_d > 0,
        base_anchor=part.base_anchor and distill.beta_phi > 0,
    )


def anchors_on_trajectory(part: Round, options: TrainOptions) -> bool:
    """Whether the anchor is at states of the rollout itself; else at those that the policy gradient is trained at."""
    same = options.distill.states == "trajectory" or not part.rl or options.objective.kind == "flow_grpo"
    return (part.anchor or part.base_anchor) and same


def trains_demonstrator(method: Method) -> bool:
    """Whether the Demonstrator has an adapter of its own, apart from the base."""
    return any(r.learner == "demonstrator" for r in METHODS[method])
