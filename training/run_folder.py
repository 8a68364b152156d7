"""A training run from outside: what lies in its folder, whether it has finished, and the command that starts it."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from models.video.options import VideoModelOptions
from storage.collection import Store
from storage.files import sha256_bytes, sha256_file, write_bytes
from storage.notes import kept_note, read_note, write_note
from storage.strict_yaml import read_yaml
from training.checkpoint_state import DamagedCheckpoint, read_state
from training.conditions.folder import conditions_folder, read_manifest
from training.loop.recipe_change import check_goes_on, completed
from training.options import TrainOptions
from training.options.robots import RobotTrainOptions
from training.step_folders import CHECKPOINTS, step_folders

# Changes when the same options train otherwise. By hand: weights cost days, so nothing is trained again because the
# trainer's code was put in order.
VERSION = "1"
# What lies in a run's folder: ours, then the trainer's (training/loop/session.py).
CONFIG, DONE = "config.yaml", "done.json"
TABLE, SCORES, WEIGHTS = "table.txt", "scores.json", "final"
# What changes nothing about the weights: a finished run is not repeated for it.
INCIDENTAL = {"conditions", "episodes", "output"}


class NoConditions(RuntimeError):
    """The model's conditions are not encoded, or are of another dataset than training is to read."""


@dataclass(frozen=True)
class Run:
    """A training run: its whole options and what else decides its result."""

    options: TrainOptions | RobotTrainOptions
    output: Path
    dataset_version: str
    model: str  # the identity of the model that the conditions are of
    conditions_sha256: str  # of the manifest of the conditions, or of the episodes
    processes: int

    @property
    def fingerprint(self) -> str:
        """The key of everything that decides the result. Where the folder's own config asks for the same, it is made
        from that: an option that is newer, at its default, or one that is retired makes no other run of it."""
        now, told = self.options.model_dump(mode="json"), self._told()
        if told is not None and decisive(completed(told, self.options)) == decisive(now):
            now = told
        decides = [VERSION, decisive(now), self.conditions_sha256, self.processes]
        return sha256_bytes(json.dumps(decides, sort_keys=True).encode())

    def _told(self) -> dict[str, Any] | None:
        """What the config in the run's folder says; None where there is none that can be read."""
        try:
            told = read_yaml(self.output / CONFIG)
        except (OSError, ValueError):
            return None
        return told if isinstance(told, dict) else None

    @property
    def finished(self) -> bool:
        if not (self.output / SCORES).exists() or not (self.output / WEIGHTS).is_dir():
            return False
        done = kept_note(self.output / DONE, "the training ends anew from its newest checkpoint")
        return done.get("fingerprint") == self.fingerprint

    def begin(self, fresh: bool) -> None:
        """Writes what the trainer reads; what finished here before is no longer this run's.

        Raises ChangedRecipe or DamagedCheckpoint, and leaves all as it was, where the trainer would refuse to go on
        with what is here.
        """
        checkpoints = step_folders(self.output / CHECKPOINTS)
        if checkpoints and not fresh:
            _, newest = checkpoints[-1]
            try:
                state, _ = read_state(newest)
            except FileNotFoundError as error:
                raise DamagedCheckpoint(newest, error) from error
            check_goes_on(newest, state, self.options, dataset_version=self.dataset_version, model=self.model)
        (self.output / DONE).unlink(missing_ok=True)
        text = yaml.safe_dump(self.options.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        write_bytes(self.output / CONFIG, text.encode())

    def end(self) -> None:
        write_note(self.output / DONE, {"fingerprint": self.fingerprint, "dataset_version": self.dataset_version})


def ended(folder: Path) -> dict[str, Any]:
    """`fingerprint` and `dataset_version` of the finished training in `folder`; {} for an unfinished one.

    Raises Damaged.
    """
    try:
        return read_note(folder / DONE, "run this training again: it ends anew from its newest checkpoint")
    except FileNotFoundError:
        return {}


def usable_conditions(store: Store, model: VideoModelOptions) -> tuple[Path, dict[str, Any]]:
    """The folder of the model's conditions and their manifest. Raises NoConditions."""
    folder = conditions_folder(store, model)
    manifest = read_manifest(folder)
    remedy = "materialise `training_data` and `conditions`, or run the job train_wmsd"
    if manifest is None:
        raise NoConditions(f"{folder} has no conditions of this model: {remedy}")
    release = store.pinned_release()
    if release is None or manifest["dataset_version"].split("+")[0] != release["version"]:
        version = "none" if release is None else release["version"]
        raise NoConditions(
            f"the conditions in {folder} are of dataset {manifest['dataset_version'].split('+')[0]}, but training "
            f"reads {version}: {remedy}"
        )
    return folder, manifest


def plan_run(options: TrainOptions, manifest: Mapping[str, Any], processes: int) -> Run:
    """The run of `options`, whose `conditions` have this `manifest`, by a number of processes."""
    made_from = sha256_file(Path(options.conditions) / "manifest.json")
    return Run(options, Path(options.output), manifest["dataset_version"], manifest["identity"], made_from, processes)


def plan_robot_run(options: RobotTrainOptions, processes: int) -> Run:
    """The run of `options` on encoded episodes. Raises NotEncoded, and what a checkpoint that does not fit raises."""
    from models.robot.build_robot_model import identify
    from robots.encoded import MANIFEST, EpisodeStore

    folder = Path(options.episodes)
    version, model = EpisodeStore(folder).version, identify(options.model)
    return Run(options, Path(options.output), version, model, sha256_file(folder / MANIFEST), processes)


def decisive(options: Mapping[str, Any]) -> dict[str, Any]:
    """Of a run's options, as JSON, those that decide its weights."""
    return {name: value for name, value in options.items() if name not in INCIDENTAL}


def command(config_file: Path, processes: int, grace_s: float, fresh: bool) -> list[str]:
    """What starts the trainer: the same that a person would type, without Dagster. It resumes by itself."""
    trainer = ["-m", "training.train", "--config", str(config_file), *(["--fresh"] if fresh else [])]
    if processes == 1:
        return [sys.executable, *trainer]
    # Its own patience with workers that save must not be shorter than ours with it.
    launcher = ["--standalone", "--nproc_per_node", str(processes), "--shutdown-timeout", str(int(grace_s))]
    return [sys.executable, "-m", "torch.distributed.run", *launcher, *trainer]


def success_shares(scores: dict[str, Any]) -> dict[str, float]:
    """Shares of success by arm and question, of a run's scores.json."""
    rates = scores.get("rates", {})
    return {f"{question}: {arm}": rate["share"] for arm, found in rates.items() for question, rate in found.items()}


def held_out_means(scores: dict[str, Any]) -> dict[str, float]:
    """Means of held-out rollouts by what was rolled out and metric, of a robot run's scores.json."""
    return {f"{metric}: {name}": value for name, of in scores.get("means", {}).items() for metric, value in of.items()}
