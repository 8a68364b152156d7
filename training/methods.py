"""What tells the training methods apart, as data: who rolls out, who learns from what."""

from dataclasses import dataclass
from typing import Literal

from training.config import Method

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

# Each method is a cycle of rounds; `alternating` is made in `rounds` from its period.
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


def round_of(method: Method, step: int, period: int) -> Round:
    """The round of a step (from 1). `alternating` trains the Demonstrator when step mod period == 0 (Alg. 2)."""
    cycle = METHODS[method]
    if method == "alternating":
        return cycle[1] if step % period == 0 else cycle[0]
    return cycle[(step - 1) % len(cycle)]


def trains_demonstrator(method: Method) -> bool:
    """Whether the Demonstrator has an adapter of its own, apart from the base."""
    return any(r.learner == "demonstrator" for r in METHODS[method])
