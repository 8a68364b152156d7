"""What surrounds the policies of a run, made from its options: contexts, scorers, evaluation. The one place."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from models.video.protocol import VideoModel
from training.conditions.store import ConditionStore
from training.loop.checkpoint import RunState
from training.loop.evaluation import Evaluation
from training.loop.held_out import HeldOut
from training.loop.held_out_scores import HeldOutScores
from training.loop.log import RunLog
from training.methods.contexts import Contexts, PairContexts
from training.options import TrainOptions
from training.policies.predictor import Predictor
from training.rewards.judge import Judge
from training.rewards.protocol import Scorer
from training.rewards.scorers import scorers_of
from training.stopping import Stopping
from training.world import World

Evaluate = Callable[[RunState, Predictor, RunLog, Stopping, World], Evaluation]  # made once the policies are there


@dataclass(frozen=True)
class Parts:
    """What groups start from; the scorers by the names that rounds call them; what measures the training. `judge`: of
    the rewards."""

    contexts: Contexts
    scorers: Mapping[str, Scorer]
    evaluation: Evaluate
    judge: Judge


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
    return Parts(contexts, scorers_of(options, judge, model), evaluation, judge)
