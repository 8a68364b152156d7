"""One run from its options to its final weights: before, training, after, export."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import torch

from models.robot.build_robot_model import build_robot_model
from models.robot.protocol import RobotWorldModel
from models.video.build_video_model import build_video_model
from models.video.protocol import VideoModel
from models.vlm.preflight import Needs, preflight
from storage.files import write_bytes
from storage.processes import asked_to_end
from training import step_folders
from training.conditions.episodes import Episodes
from training.conditions.store import ConditionStore
from training.loop.checks import check_data, check_options, check_robot_options
from training.loop.evaluation import Results
from training.loop.log import RunLog
from training.loop.parts import Parts, parts_of
from training.loop.pipes import reporter
from training.loop.robot_parts import robot_parts_of
from training.loop.trainer import Trainer
from training.options import TrainOptions
from training.options.robots import RobotTrainOptions
from training.policies import adapters
from training.rewards.judge import Judge
from training.stopping import Stopped
from training.world import World


def run(options: TrainOptions | RobotTrainOptions, world: World, *, fresh: bool = False) -> dict:
    """Trains as `options` say and returns the final numbers by what was evaluated and what was measured.

    Writes into `output`: checkpoints/, adapters/, metrics.jsonl, tensorboard/, pictures, scores.json, table.txt, and
    final/, the trained weights with their card. Raises what the parts raise; see training/train.py.
    """
    output = Path(options.output)
    with (
        ended_by_signals(),
        (robots if isinstance(options, RobotTrainOptions) else videos)(options, world) as (model, store, parts),
        reporter(world.first) as report,
        RunLog(output, options.run.steps, world.rank, report=report) as log,
    ):
        torch.manual_seed(options.run.seed)  # nothing draws from it so far; what might is then repeatable
        trainer = Trainer(options, model, store, parts, log, world)
        state = trainer.state
        if fresh and world.first:  # so that the new run is never resumed from an old one's later step
            step_folders.clear(state.folder)
        if not fresh and state.restore():
            log.resume(state.step)
            if state.step == options.run.steps:
                log.note(f"step {state.step} is the last one: nothing is left to train, it is scored again")
        else:
            log.begin()
        if world.first:
            adapters.clear(output, after=state.step)
        evaluation = parts.evaluation(state, trainer.predictor, log, trainer.stopping, world)
        evaluation.before()
        evaluation.after_step(state.step)  # of a resumed run: what a signal cut short
        trainer.run(evaluation.after_step)
        results = evaluation.after()
        return finish(trainer, results) if world.first else {}


@contextlib.contextmanager
def videos(options: TrainOptions, world: World) -> Iterator[tuple[VideoModel, ConditionStore, Parts]]:
    """The model, the data and the parts of a run on videos, its judges being asked a question before all else."""
    check_options(options)
    if world.first:
        ask_ahead(options)
    model = build_video_model(options.model, encoders=False)
    version = options.dataset_version or None
    store = ConditionStore(options.conditions, identity=model.identity, dataset_version=version, verify=world.first)
    check_data(options, store)
    with judges(options) as (judge, exact):
        yield model, store, parts_of(options, model, store, judge, exact)


@contextlib.contextmanager
def robots(options: RobotTrainOptions, world: World) -> Iterator[tuple[RobotWorldModel, Episodes, Parts]]:
    """The model, the data and the parts of a run on a robot's episodes."""
    check_robot_options(options)
    model = build_robot_model(options.model)
    episodes = Episodes(options, model)
    yield model, episodes, robot_parts_of(options, model, episodes)


def ask_ahead(options: TrainOptions) -> None:
    """Asks the judge's server one question before anything is loaded. Raises NotReady."""
    judge = options.rewards.judge
    preflight(judge.vlm, Needs(yes_no=min(judge.frames, options.model.frames)))


@contextlib.contextmanager
def judges(options: TrainOptions) -> Iterator[tuple[Judge, Judge]]:
    """The judge of rewards and that of held-out tasks: the same one, unless the first is told to err."""
    told = options.rewards.judge
    with contextlib.ExitStack() as stack:
        judge = stack.enter_context(Judge(told))
        exact = told.without_errors()
        yield judge, judge if exact == told else stack.enter_context(Judge(exact))


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Before and after training, which answers signals itself, there is nothing to save: SIGTERM and SIGINT end it."""

    def end(number: int, frame) -> None:
        raise Stopped(f"asked to end by signal {number} outside of training: nothing to save since the last checkpoint")

    with asked_to_end(end):
        yield


def finish(trainer: Trainer, results: Results) -> dict:
    """Writes scores, table and final weights; returns the numbers of the results."""
    options, state, output = trainer.options, trainer.state, Path(trainer.options.output)
    facts = {
        "method": options.method,
        "steps": state.step,
        "model": trainer.model.identity,
        "dataset_version": state.dataset_version,
        **results.facts,
    }
    write_bytes(output / "scores.json", json.dumps(facts, indent=2, allow_nan=False).encode())
    write_bytes(output / "table.txt", results.table.encode())
    trainer.parts.export(state, results)
    trainer.log.finish(facts, results.markdown)
    print(results.table)
    return dict(results.numbers)
