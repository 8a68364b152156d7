"""What surrounds the policies of a run, made from its options: contexts, scorers, evaluation, and how weights are
written. Of videos here, of robots in robot_parts.py."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from models.video.protocol import VideoModel
from training.conditions.store import ConditionStore
from training.loop.checkpoint import RunState
from training.loop.evaluation import Evaluation, Results
from training.loop.held_out import HeldOut
from training.loop.held_out_scores import HeldOutScores
from training.loop.log import RunLog
from training.methods.contexts import Contexts, PairContexts
from training.options import TrainOptions
from training.policies import adapters
from training.policies.card import CardFacts
from training.policies.export import export_lora
from training.policies.lora import Policies
from training.policies.predictor import Predictor
from training.rewards.judge import Judge
from training.rewards.protocol import Scorer
from training.rewards.scorers import scorers_of
from training.stopping import Stopping
from training.world import World

Evaluate = Callable[[RunState, Predictor, RunLog, Stopping, World], Evaluation]  # made once the policies are there
Keep = Callable[[Policies, int], None]
Export = Callable[[RunState, Results], None]


@dataclass(frozen=True)
class Parts:
    """What groups start from; the scorers by the names that rounds call them; what measures the training. `keep` writes
    the trained tensors of a step, small, into the run's folder; `export` the final weights."""

    contexts: Contexts
    scorers: Mapping[str, Scorer]
    evaluation: Evaluate
    keep: Keep
    export: Export
    judge: Judge | None = None  # of the rewards, where a VLM gives some


def parts_of(
    options: TrainOptions, model: VideoModel, store: ConditionStore, judge: Judge, exact: Judge | None = None
) -> Parts:
    """The parts of a run. `judge` gives rewards, `exact` judges held-out tasks; None: the same one."""

    def evaluation(
        state: RunState, predictor: Predictor, log: RunLog, stopping: Stopping, world: World
    ) -> HeldOutScores:
        held_out = HeldOut(options, predictor, store, exact or judge, world)
        return HeldOutScores(state, held_out, log, stopping)

    contexts = PairContexts(store, options.run.seed, options.rollout.tasks)
    output, family = Path(options.output), options.model.family

    def keep(policies: Policies, step: int) -> None:
        adapters.keep(policies, output, step, family)

    def export(state: RunState, results: Results) -> None:
        card = CardFacts(
            recipe=options.model_dump(mode="json"),
            dataset_version=state.dataset_version,
            scores=results.markdown,
            base_model=options.model.path,
            licence=options.licence,
            numbers=results.numbers,
        )
        export_lora(state.policies, "executor", output / "final", family=family, card=card)

    return Parts(contexts, scorers_of(options, judge, model), evaluation, keep, export, judge)
