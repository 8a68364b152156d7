"""A robot's Evaluation: base and trained policy side by side, the curve, the best checkpoint, the first words of it."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.rollouts.records import RolloutSet, write_rollouts
from evaluation.rollouts.table import Compared, compare, groups, markdown, text
from training.loop.checkpoint import RunState
from training.loop.evaluation import Results
from training.loop.log import RunLog
from training.loop.optimise import SCORED
from training.loop.robot_held_out import Arm, RobotHeldOut
from training.policies.whole_model import EXECUTOR, trained_tensors, write_trained

BASE = Arm("base")
BEST = "best_trained"


class RobotScores:
    """An Evaluation (training/loop/evaluation.py). With `optimizer.score_ema` the average is what is scored, curves and
    the best checkpoint included; the policy itself is scored beside it at the end. `held_out`: the episodes that
    choose; `final`: those that base and trained model are compared on."""

    def __init__(self, state: RunState, held_out: RobotHeldOut, final: RobotHeldOut, log: RunLog):
        self.state, self.held_out, self.final, self.log = state, held_out, final, log
        self.output = Path(state.options.output)
        self.shadow = state.learners[EXECUTOR].shadows.get(SCORED)
        self.ours = Arm(state.options.method, EXECUTOR, self.shadow)

    def before(self) -> None:
        notes = self.state.notes
        if "base" not in notes:
            gap = self.final.gap(BASE)
            self.log.note(f"base: {gap.sentence}")
            notes["base"] = {"rollouts": self._rolled(self.final, BASE), "gap": asdict(gap)}

    @property
    def curve(self) -> list[dict]:
        return self.state.notes.setdefault("curve", [])

    def after_step(self, step: int) -> None:
        every = self.state.options.held_out.every
        known = [at["step"] for at in self.curve]
        if every and step % every == 0 and 0 < step < self.state.options.run.steps and step not in known:
            self._measured(step)

    def _measured(self, step: int) -> None:
        """Scores the policy as it is, notes the point of the curve, and keeps the tensors when they are the best."""
        made = RolloutSet.model_validate(self._rolled(self.held_out, self.ours))
        gap = self.held_out.gap(self.ours)
        values = {f"heldout/{name}": value for name, value in means(made).items()}
        values |= {"heldout/reward": self.reward(made), "heldout/shuffle_gap": gap.mean}
        self.log.evaluation(step, values)
        if not gap.follows:
            self.log.note(f"step {step}: {gap.sentence}")
        self.curve.append({"step": step, "gap": asdict(gap), **values})
        best = self.state.notes.get("best")
        if best is None or values["heldout/reward"] > best["reward"]:
            self.state.notes["best"] = {"step": step, "reward": values["heldout/reward"]}
            if self.held_out.world.first:
                write_trained(trained_tensors(self.state.policies, self.shadow), self.output / BEST)

    def reward(self, made: RolloutSet) -> float:
        """What training is rewarded for, on held-out rollouts."""
        signs = {"lpips": -1.0}
        weights = self.state.options.rewards.counted
        return float(sum(w * signs.get(name, 1.0) * np.nanmean(made.curves(name)) for name, w in weights.items()))

    def after(self) -> Results:
        step = self.state.step
        last = [at for at in self.curve if at["step"] == step]
        if last:  # of a run that ended before its scores were written
            self.curve.remove(last[0])
        self._measured(step)
        ours, base = self._rolled(self.final, self.ours), self.state.notes["base"]["rollouts"]
        ours, base = RolloutSet.model_validate(ours), RolloutSet.model_validate(base)
        gap = self.final.gap(self.ours)
        sets = {"base": base, self.ours.name: ours}
        if self.shadow is not None:
            itself = Arm(f"{self.ours.name}, last weights", EXECUTOR)
            sets[itself.name] = RolloutSet.model_validate(self._rolled(self.final, itself))
        if self.held_out.world.first:
            for name, made in sets.items():
                write_rollouts(self.output / "rollouts" / f"{slug(name)}.json", made)
        against = {name: compare(made, base) for name, made in sets.items() if name != "base"}
        return self.results(sets, against, gap)

    def results(self, sets: Mapping[str, RolloutSet], against: Mapping[str, Compared], gap: Any) -> Results:
        told, best = against[self.ours.name], self.state.notes["best"]
        base_gap = self.state.notes["base"]["gap"]
        chosen_on = f"{len(self.held_out.starts)} episodes of {self.held_out.split}"
        last = self.curve[-1]["heldout/reward"]
        chosen = (
            f"best on {chosen_on}: step {best['step']}, reward {best['reward']:.4f}; "
            f"last: step {self.state.step}, {last:.4f}"
        )
        facts = {
            "held_out_episodes": told.episodes,
            "means": {name: means(made) for name, made in sets.items()},
            "compared": {name: _plain(asdict(one)) for name, one in against.items()},
            "shuffle_gap": {"base": _plain(base_gap), self.ours.name: _plain(asdict(gap))},
            "best": best,
            "curve": _plain(self.curve),
            "settings": next(iter(sets.values())).settings,
        }
        first = gap.sentence + "\n"
        table = "\n".join([first, *(text(one) + "\n" for one in against.values()), chosen, ""])
        shown = "\n\n".join([gap.sentence, *(markdown(one) for one in against.values()), chosen])
        return Results(facts, table, shown, facts["means"])

    def _rolled(self, held_out: RobotHeldOut, arm: Arm) -> dict:
        made = held_out.rolled(arm)
        shown = ", ".join(f"{name} {value:.4g}" for name, value in means(made).items())
        self.log.note(f"{arm.name}: {shown} on {len(made.rollouts)} episodes of {held_out.split}")
        return made.model_dump(mode="json")


def means(made: RolloutSet) -> dict[str, float]:
    """Means over rollouts and chunks by metric and group of views."""
    return {
        f"{metric} {name}": float(np.nanmean(made.curves(metric)[:, :, columns]))
        for metric in made.metrics
        for name, columns in groups(made.views).items()
    }


def slug(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name)


def _plain(value: Any) -> Any:
    """JSON has no NaN."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and value != value else value
