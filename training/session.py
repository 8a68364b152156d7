"""One run from its options to its final weights: before, training, after, export."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from models.video.build import build_video_model
from storage.files import write_bytes
from training import checkpoint
from training.condition_store import ConditionStore
from training.config import TrainOptions
from training.distributed import World
from training.export import CardFacts, export_lora
from training.heldout import BASE, DEMONSTRATOR, EXECUTOR, HeldOut, comparisons, table
from training.judging import Judge
from training.log import RunLog, rollout_grid
from training.methods import METHODS
from training.pipes import reporter
from training.state import folder_of, restore
from training.trainer import Trainer

GRID = 4  # held-out tasks in a picture of rollouts


def run(options: TrainOptions, world: World, *, fresh: bool = False) -> dict:
    """Trains as `options` say and returns the final scores by arm and question (shares of success).

    Writes into `output`: checkpoints/, metrics.jsonl, tensorboard/, pictures, scores.json, table.txt, and final/, a
    diffusers LoRA with its card. Raises what the parts raise; see training/train.py.
    """
    output = Path(options.output)
    check_method(options)
    model = build_video_model(options.model, encoders=False)
    version = options.dataset_version or None
    store = ConditionStore(options.conditions, identity=model.identity, dataset_version=version, verify=world.first)
    with (
        Judge(options.rewards.judge) as judge,
        reporter(world.first) as report,
        RunLog(output, options.run.steps, world.rank, report=report) as log,
    ):
        trainer = Trainer(options, model, store, judge, log, world)
        if fresh and world.first:
            checkpoint.clear(folder_of(trainer))
        if not fresh and restore(trainer):
            log.resume(trainer.step)
        else:
            log.begin()
        held_out = HeldOut(options, trainer.predictor, store, judge, world)
        evaluation = Evaluation(trainer, held_out)
        evaluation.before()
        trainer.run(evaluation.after_step)
        results = evaluation.after()
        return finish(trainer, results) if world.first else {}


def check_method(options: TrainOptions) -> None:
    """Raises ValueError for a method whose rewards are all without weight: it would have nothing to learn from."""
    rewards = options.rewards
    for part in METHODS[options.method]:
        judged = part.judged and any((rewards.task, rewards.agent, rewards.consistency))
        if part.rl and not judged and not (part.distilled and rewards.distill):
            raise ValueError(
                f"method {options.method}: rewards.task, agent, consistency and distill are all 0 where it uses them; "
                "a weight above 0 is expected"
            )
        asked = set(rewards.judge.questions)
        missing = [name for name in ("task", "agent", "consistency") if getattr(rewards, name) and name not in asked]
        if part.judged and missing:
            raise ValueError(f"rewards.{missing[0]} has a weight but rewards.judge.questions {sorted(asked)} lack it")


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
                self._say(arm.name, scored[arm.name])

    def after_step(self, step: int) -> None:
        options, log = self.trainer.options, self.trainer.log
        every = options.held_out.every
        if every and step % every == 0 and step < options.run.steps:
            scores = as_lists(self.held_out.judge_arm(EXECUTOR))
            shares = {f"heldout/{name}": share(values) for name, values in scores.items()}
            self.trainer.notes.setdefault("curve", []).append({"step": step} | shares)
            log.evaluation(step, shares)
        if options.run.grid_every and step % options.run.grid_every == 0:
            self.picture(step)

    def after(self) -> dict[str, dict[str, np.ndarray]]:
        scored = dict(self.trainer.notes["scored"])
        scored[EXECUTOR.name] = as_lists(self.held_out.judge_arm(EXECUTOR))
        self._say(EXECUTOR.name, scored[EXECUTOR.name])
        return {arm: as_arrays(values) for arm, values in scored.items()}

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

    def _say(self, name: str, log_odds: dict[str, list]) -> None:
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
            row.name: {name: {"share": r.share, "interval": r.interval, **asdict(r)} for name, r in row.rates.items()}
            for row in scores.rows
        },
        "executor_against": {name: asdict(one) for name, one in against.items()},
        "curve": trainer.notes.get("curve", []),
    }
    write_bytes(output / "scores.json", json.dumps(facts, indent=2).encode())
    text = scores.to_text() + "\n\n" + "\n".join(sentence(name, one) for name, one in against.items()) + "\n"
    write_bytes(output / "table.txt", text.encode())
    card = CardFacts(
        recipe=options.model_dump(mode="json"),
        dataset_version=trainer.store.dataset_version,
        scores=scores.to_markdown(),
        base_model=options.model.path,
    )
    export_lora(trainer.policies, "executor", output / "final", pipeline_class=PIPELINES[options.model.kind], card=card)
    trainer.log.finish(facts, scores.to_markdown())
    print(text)
    return facts["rates"]


PIPELINES = {
    "wan": "WanImageToVideoPipeline",
    "ltx2": "LTX2ImageToVideoPipeline",
    "hunyuan15": "HunyuanVideo15ImageToVideoPipeline",
}


def sentence(name: str, against) -> str:
    low, high = against.low, against.high
    return (
        f"Executor against {name}: Task {against.gain:+.3f} [{low:+.3f}, {high:+.3f}] on {against.pairs} tasks, "
        f"p = {against.p_value:.2g} (exact sign test)"
    )


def share(values: list) -> float:
    kept = [value for value in values if value is not None]
    return sum(value > 0 for value in kept) / len(kept) if kept else float("nan")


def as_lists(log_odds: dict[str, np.ndarray]) -> dict[str, list]:
    """JSON has no NaN: a failed judgement is null."""
    return {name: [None if np.isnan(v) else float(v) for v in values] for name, values in log_odds.items()}


def as_arrays(log_odds: dict[str, list]) -> dict[str, np.ndarray]:
    return {name: np.array([np.nan if v is None else v for v in values]) for name, values in log_odds.items()}
