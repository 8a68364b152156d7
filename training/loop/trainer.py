"""The loop: step after step of a method, each with its log line, checkpoint and evaluation."""

import copy
import json
import time
from collections.abc import Callable
from typing import NoReturn

from models.video.protocol import VideoModel
from models.vlm.failures import TooManyFailures
from training.conditions.store import ConditionStore
from training.loop.checkpoint import RunState
from training.loop.evaluation import Interrupted
from training.loop.log import RunLog
from training.loop.optimise import Optimise, prepare
from training.loop.parts import Parts
from training.methods.build import method_of
from training.methods.protocol import Given
from training.methods.rounds import learners_of
from training.methods.tasks import share_of_rank
from training.options import TrainOptions
from training.policies.lora import Policies
from training.policies.predictor import Predictor
from training.stopping import Dropped, Stopped, Stopping
from training.world import World


class Trainer:
    """Trains the policies of one run by its method. `log` writes on the first process only."""

    def __init__(
        self,
        options: TrainOptions,
        model: VideoModel,
        store: ConditionStore,
        parts: Parts,
        log: RunLog,
        world: World,
    ):
        self.options, self.model, self.store = options, model, store
        self.parts, self.log, self.world = parts, log, world
        names = learners_of(options.method)
        self.policies = Policies(
            model.transformer,
            names,
            rank=options.lora.rank,
            alpha=options.lora.alpha,
            targets=options.lora.targets or model.lora_targets,
            whole=options.lora.whole,
            seed=options.run.seed,
        )
        self.stopping = Stopping(world, model.device)
        self.predictor = Predictor(model, self.policies, before_call=self.stopping.heed)
        if options.memory.checkpointing:
            model.transformer.enable_gradient_checkpointing()
        if options.memory.compile:
            model.transformer.compile()  # in place, so that adapters go on working
        learners = {name: prepare(options, name, self.policies.parameters(name)) for name in names}
        self.state = RunState(options, model, store.dataset_version, self.policies, learners, parts.keep)
        self.method = method_of(
            Given(
                options=options,
                predictor=self.predictor,
                store=store,
                contexts=parts.contexts,
                scorers=parts.scorers,
                learners=learners,
                world=world,
                stopping=self.stopping,
                places=share_of_rank(options.rollout.tasks, world.rank, world.size),
            )
        )

    def run(self, after_step: Callable[[int], None] = lambda step: None) -> None:
        """Trains to `run.steps`, calling `after_step` with each finished step (evaluation, pictures).

        Raises Diverged, or, after the finished steps were saved, TooManyFailures and Stopped (on a signal). A signal
        drops the step or the evaluation at hand: a resumed run makes it again.
        """
        state = self.state
        with self.stopping.heard():
            while state.step < self.options.run.steps:
                scales = {name: copy.deepcopy(one.normaliser) for name, one in state.learners.items()}
                try:
                    metrics = self.train_step(state.step + 1)
                except (Dropped, TooManyFailures) as ended:  # nothing of the step counts
                    for name, one in state.learners.items():
                        one.normaliser = scales[name]
                    self._end(ended)
                state.step += 1
                self.log.step(state.step, metrics)
                self._after(after_step)
            if self.stopping.asked:  # since the last step looked: what comes after training would not hear of it
                raise Stopped(f"asked to end by signal {self.stopping.asked}: saved at step {state.step}, the last")

    def train_step(self, number: int) -> dict[str, float]:
        """The training step `number` (from 1) of this run's method; its metrics, the same on every process."""
        start = time.perf_counter()
        optimiser = Optimise(self.options, self.policies, self.state.learners, self.world, number)
        optimiser.zero()  # no gradient lies in memory while rollouts are sampled
        metrics = self.method.step(number, optimiser)
        return metrics | {"seconds": time.perf_counter() - start}

    def save(self) -> None:
        """Writes a checkpoint of the finished step."""
        if self.world.first:
            self.state.save()

    def _after(self, after_step: Callable[[int], None]) -> None:
        """What follows a finished step. Its checkpoint comes first: an evaluation may be long, and may fail."""
        step, notes = self.state.step, self.state.notes
        if due := step % self.options.run.checkpoint_every == 0 or step == self.options.run.steps:
            self.save()
        known = json.dumps(notes)
        try:
            after_step(step)
        except (Interrupted, TooManyFailures) as ended:
            self._end(ended, saved=due)
        if due and json.dumps(notes) != known:  # so that a resumed run need not find it again
            self.save()

    def _end(self, ended: Dropped | Interrupted | TooManyFailures, saved: bool = False) -> NoReturn:
        """Saves the finished steps, if there are any, and raises what the caller of `run` is to hear."""
        step = self.state.step
        if step and not saved:
            self.save()
        if isinstance(ended, TooManyFailures):
            raise ended
        place = f"saved at step {step}" if step else "no step was finished"
        raise Stopped(f"asked to end by signal {ended.signal}: {place}") from ended
