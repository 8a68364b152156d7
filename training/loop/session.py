"""One run from its options to its final weights: before, training, after, export."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from models.video.build_video_model import build_video_model
from storage.files import write_bytes
from storage.processes import asked_to_end
from training.conditions.store import ConditionStore
from training.loop import checkpoint
from training.loop.checks import check_data, check_options
from training.loop.held_out import BASE, DEMONSTRATOR, EXECUTOR, HeldOut, comparisons, table
from training.loop.log import RunLog, rollout_grid
from training.loop.pipes import reporter
from training.loop.state import folder_of, restore
from training.stopping import Stopped
from training.loop.trainer import Trainer
from training.world import World
from training.options import TrainOptions
from training.policies import adapters
from training.policies.export import CardFacts, export_lora
from training.rewards.judge import Judge

GRID = 4  # held-out tasks in a picture of rollouts


def run(options: TrainOptions, world: World, *, fresh: bool = False) -> dict:
    """Trains as `options` say and returns the final scores by arm and question (shares of success).

    Writes into `output`: checkpoints/, adapters/, metrics.jsonl, tensorboard/, pictures, scores.json, table.txt, and
    final/, a diffusers LoRA with its card. Raises what the parts raise; see training/train.py.
    """
    output = Path(options.output)
    check_options(options)
    model = build_video_model(options.model, encoders=False)
    version = options.dataset_version or None
    store = ConditionStore(options.conditions, identity=model.identity, dataset_version=version, verify=world.first)
    check_data(options, store)
    with (
        ended_by_signals(),
        Judge(options.rewards.judge) as judge,
        reporter(world.first) as report,
        RunLog(output, options.run.steps, world.rank, report=report) as log,
    ):
        torch.manual_seed(options.run.seed)  # nothing draws from it so far; what might is then repeatable
        trainer = Trainer(options, model, store, judge, log, world)
        if fresh and world.first:
            checkpoint.clear(folder_of(trainer))
        if not fresh and restore(trainer):
            log.resume(trainer.step)
            if trainer.step == options.run.steps:
                log.note(f"step {trainer.step} is the last one: nothing is trained, the Executor is scored again")
        else:
            log.begin()
        if world.first:
            adapters.clear(output, after=trainer.step)
        held_out = HeldOut(options, trainer.predictor, store, judge, world)
        evaluation = Evaluation(trainer, held_out)
        evaluation.before()
        evaluation.after_step(trainer.step)  # of a resumed run: what a signal cut short
        trainer.run(evaluation.after_step)
        results = evaluation.after()
        return finish(trainer, results) if world.first else {}


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Before and after training, which answers signals itself, there is nothing to save: SIGTERM and SIGINT end it."""

    def end(number: int, frame) -> None:
        raise Stopped(f"asked to end by signal {number} outside of training: nothing to save since the last checkpoint")

    with asked_to_end(end):
        yield


class Evaluation:
    """Held-out scores and pictures around a run; what was scored before a resume is kept in the trainer's notes."""

    def __init__(self, trainer: Trainer, held_out: HeldOut):
        self.trainer, self.held_out = trainer, held_out

    def before(self) -> None:
        """Scores the base under T and the Demonstrator, once a run."""
        scored = self.trainer.notes.setdefault("scored", {})
        for arm in (BASE, DEMONSTRATOR):
            if arm.name not in scored:
                scored[arm.name] = as_lists(self.held_out.judge_arm(arm))
                self._say(0, arm.name, scored[arm.name])

    @property
    def curve(self) -> list[dict]:
        return self.trainer.notes.setdefault("curve", [])

    def _scores_due(self, step: int) -> bool:
        every = self.trainer.options.held_out.every
        due = bool(every) and step % every == 0 and 0 < step < self.trainer.options.run.steps
        return due and step not in [at["step"] for at in self.curve]

    def _picture_due(self, step: int) -> bool:
        every = self.trainer.options.run.grid_every
        return bool(every) and step % every == 0 and 0 < step != self.trainer.notes.get("pictured")

    def after_step(self, step: int) -> None:
        """Makes what is due after a step and not there yet. Raises Interrupted on a signal: then it stays due."""
        log = self.trainer.log
        if self._scores_due(step):
            scores = as_lists(self.held_out.judge_arm(EXECUTOR, lambda: self.trainer.stopping.asked))
            shares = {f"heldout/{name}": share(values) for name, values in scores.items()}
            self.curve.append({"step": step} | {name: number(value) for name, value in shares.items()})
            log.evaluation(step, shares)
            log.judged(step, EXECUTOR.name, scores)
        if self._picture_due(step):
            self.picture(step)
            self.trainer.notes["pictured"] = step

    def after(self) -> dict[str, dict[str, np.ndarray]]:
        scored = dict(self.trainer.notes["scored"])
        scored[EXECUTOR.name] = as_lists(self.held_out.judge_arm(EXECUTOR))
        self._say(self.trainer.step, EXECUTOR.name, scored[EXECUTOR.name])
        # A checkpoint's JSON is sorted: arms and questions go back in order.
        arms, questions = (BASE.name, DEMONSTRATOR.name, EXECUTOR.name), self.held_out.judge.options.questions
        return {arm: as_arrays({name: scored[arm][name] for name in questions}) for arm in arms}

    def picture(self, step: int) -> None:
        """A grid of side-by-side rollouts: tasks down, arms across."""
        if not self.trainer.world.first:
            return
        places = range(min(GRID, len(self.held_out.pairs)))
        arms = (BASE, DEMONSTRATOR, EXECUTOR)
        made = [self.held_out.videos(arm, places).numpy() for arm in arms]
        videos = np.stack(made, axis=1).reshape(-1, *made[0].shape[1:])
        captions = [self.held_out.pairs[place].task for place in places]
        self.trainer.log.picture(step, "rollouts", rollout_grid(videos, captions, [arm.name for arm in arms]))

    def _say(self, step: int, name: str, log_odds: dict[str, list]) -> None:
        self.trainer.log.judged(step, name, log_odds)
        shares = ", ".join(f"{question} {share(values):.3f}" for question, values in log_odds.items())
        self.trainer.log.note(f"{name}: {shares} on {len(self.held_out.pairs)} held-out tasks")


def finish(trainer: Trainer, results: dict[str, dict[str, np.ndarray]]) -> dict:
    """Writes scores, table and final weights; returns the shares by arm and question."""
    options, output = trainer.options, Path(trainer.options.output)
    scores, against = table(results), comparisons(results)
    facts = {
        "method": options.method,
        "steps": trainer.step,
        "model": trainer.model.identity,
        "dataset_version": trainer.store.dataset_version,
        "held_out_tasks": len(next(iter(results.values()))["task"]),
        "arms": {
            arm: {name: {"log_odds": as_lists({name: values})[name]} for name, values in found.items()}
            for arm, found in results.items()
        },
        "rates": {
            row.name: {
                name: {"share": number(r.share), "interval": r.interval, **asdict(r)} for name, r in row.rates.items()
            }
            for row in scores.rows
        },
        "executor_against": {name: asdict(one) for name, one in against.items()},
        "curve": trainer.notes.get("curve", []),
    }
    write_bytes(output / "scores.json", json.dumps(facts, indent=2, allow_nan=False).encode())
    text = scores.to_text() + "\n\n" + "\n".join(sentence(name, one) for name, one in against.items()) + "\n"
    write_bytes(output / "table.txt", text.encode())
    card = CardFacts(
        recipe=options.model_dump(mode="json"),
        dataset_version=trainer.store.dataset_version,
        scores=scores.to_markdown(),
        base_model=options.model.path,
        licence=options.licence,
        numbers=facts["rates"],
    )
    export_lora(trainer.policies, "executor", output / "final", family=options.model.family, card=card)
    trainer.log.finish(facts, scores.to_markdown())
    print(text)
    return facts["rates"]


def sentence(name: str, against) -> str:
    low, high = against.low, against.high
    return (
        f"Executor against {name}: Task {against.gain:+.3f} [{low:+.3f}, {high:+.3f}] on {against.pairs} tasks, "
        f"p = {against.p_value:.2g} (exact sign test)"
    )


def number(value: float) -> float | None:
    """JSON has no NaN."""
    return None if np.isnan(value) else float(value)


def share(values: list) -> float:
    kept = [value for value in values if value is not None]
    return sum(value > 0 for value in kept) / len(kept) if kept else float("nan")


def as_lists(log_odds: dict[str, np.ndarray]) -> dict[str, list]:
    """A failed judgement is null."""
    return {name: [number(value) for value in values] for name, values in log_odds.items()}


def as_arrays(log_odds: dict[str, list]) -> dict[str, np.ndarray]:
    return {name: np.array([np.nan if v is None else v for v in values]) for name, values in log_odds.items()}
