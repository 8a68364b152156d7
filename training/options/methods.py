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

# Of robot world models: post-training on own rollouts; what a sceptic compares it with; fine-tuning on true episodes.
RobotMethod = Literal["persistworld", "best_of_k_sft", "teacher_forcing_longer", "noisy_history", "teacher_forcing"]


class RolloutOptions(Options):
    """How many rollouts a step samples, and how."""

    tasks: int = Field(4, ge=1, description="Tasks (groups) in a step, over all processes.")
    group: int = Field(12, ge=2, description="Rollouts of each task (K). Their rewards are compared, so at least 2.")
    steps: int = Field(8, ge=1, description="Sampler steps of a rollout.")
    batch: int = Field(12, ge=1, description="Videos sampled together. Each batch is judged while the next is sampled.")
    updates_per_rollout: int = Field(
        1,
        ge=1,
        description="Optimizer steps on the rollouts of one step, each on all of them at the same states. From the "
        "second one on, likelihood ratios differ from 1 and the objective's `clip` has an effect.",
    )

    @property
    def prefixes(self) -> int:
        """Rollouts that a group's context makes first, at most: none for tasks that are read."""
        return 0

    @property
    def parts(self) -> int:
        """Parts of a rollout, each of which is a state of its own: the chunks of a robot's branch."""
        return 1


class DistillOptions(Options):
    """How the Demonstrator guides the Executor."""

    beta_d: float = Field(0.01, ge=0, description="Weight of the anchor to the Demonstrator (Eq. 12).")
    states: Literal["trajectory", "renoised"] = Field(
        "trajectory",
        description="States of the anchor. trajectory: states of the rollout itself, as in Eq. 11. renoised: the "
        "policy gradient's states. This saves one Executor pass for each state, and needs flow_time false.",
    )
    timesteps: int = Field(4, ge=1, description="Number of trajectory states at which the Demonstrator is asked.")
    flow_time: bool = Field(
        True,
        description="Weight each trajectory state by the flow time of its step, as the integrals of Eq. 9 and 11 do. "
        "false: equal weights, so under a shifted schedule early (noisy) states count more.",
    )
    period: int = Field(5, ge=2, description="alternating: train the Demonstrator every this many steps (N).")
    beta_phi: float = Field(0.01, ge=0, description="Weight of the Demonstrator's own anchor to the base (Alg. 2).")


class RegulariserOptions(Options):
    """Penalties for distance from the base model, or from an average of the policy."""

    kl_ref: float = Field(0.0, ge=0, description="Weight of the squared velocity distance to the base under T.")
    kl_ema: float = Field(0.0, ge=0, description="Weight of the squared velocity distance to an EMA of the policy.")
    ema_decay: float = Field(0.9, ge=0, lt=1, description="Decay of that EMA at each update.")
