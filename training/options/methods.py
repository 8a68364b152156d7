"""Options of the methods: what is rolled out, how the teacher is asked, which penalties count."""

from typing import Literal

from pydantic import Field

from storage.options import Options

Method = Literal[
    "wmsd",
    "off_policy",
    "on_policy_anchor",
    "on_policy_full",
    "rl_only",
    "off_policy_teacher_rl",
    "alternating",
    "sft",
    "dmd",
]


class RolloutOptions(Options):
    """What is sampled in a step."""

    tasks: int = Field(4, ge=1, description="Tasks (groups) a step, over all processes.")
    group: int = Field(12, ge=2, description="Rollouts K of each task; at least 2, since rewards are compared.")
    steps: int = Field(8, ge=1, description="Sampler steps of a rollout.")
    batch: int = Field(12, ge=1, description="Videos sampled together; each batch is judged while the next is sampled.")
    updates_per_rollout: int = Field(
        1,
        ge=1,
        description="Optimizer steps on the rollouts of one step, each over all of them at the same states. From the "
        "second on likelihood ratios leave 1, and the objectives' `clip` counts.",
    )


class DistillOptions(Options):
    """How the Demonstrator guides the Executor."""

    beta_d: float = Field(0.01, ge=0, description="Weight of the anchor to the Demonstrator (Eq. 12).")
    states: Literal["trajectory", "renoised"] = Field(
        "trajectory",
        description="trajectory: the anchor looks at states of the rollout itself, as Eq. 11 has it. renoised: at the "
        "states the policy gradient is trained at, which saves one Executor pass a state, and needs flow_time false.",
    )
    timesteps: int = Field(4, ge=1, description="Trajectory states at which the Demonstrator is asked.")
    flow_time: bool = Field(
        True,
        description="Trajectory states count by the flow time their step covers, as the integrals of Eq. 9 and 11 have "
        "it; false: each step alike, which gives early (noisy) states more weight under a shifted schedule.",
    )
    period: int = Field(5, ge=2, description="alternating: every how many steps the Demonstrator is trained (N).")
    beta_phi: float = Field(0.01, ge=0, description="Weight of the Demonstrator's own anchor to the base (Alg. 2).")


class RegulariserOptions(Options):
    """Penalties for leaving the base, or an average of the policy."""

    kl_ref: float = Field(0.0, ge=0, description="Weight of the squared velocity distance to the base under T.")
    kl_ema: float = Field(0.0, ge=0, description="Weight of the squared velocity distance to an EMA of the policy.")
    ema_decay: float = Field(0.9, ge=0, lt=1, description="Decay an update of that EMA.")
