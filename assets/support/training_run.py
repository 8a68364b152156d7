"""One training run as an asset: started where it has to run at all, and what it left as metadata."""

import shlex
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg

from assets.support.asset import asset
from assets.support.child import run_child
from assets.support.training_options import train_options
from models.video.options import VideoModelOptions
from storage.collection import Store
from storage.files import confined
from storage.json_files import read_object
from training.at_work import at_work
from training.checkpoint_state import DamagedCheckpoint
from training.loop.recipe_change import ChangedRecipe
from training.options.methods import Method
from training.run_folder import (
    CONFIG,
    SCORES,
    TABLE,
    VERSION,
    NoConditions,
    Run,
    command,
    held_out_means,
    plan_run,
    success_shares,
    usable_conditions,
)

# The decorator of the assets that train.
training_asset = partial(asset, group="training", deps=["conditions"], kinds={"python", "torch"}, code_version=VERSION)


def conditions_of(store: Store, model: VideoModelOptions) -> tuple[Path, dict[str, Any]]:
    """As `usable_conditions`. Raises dagster.Failure."""
    try:
        return usable_conditions(store, model)
    except NoConditions as error:
        raise dg.Failure(str(error), allow_retries=False) from error


def train(context: dg.AssetExecutionContext, store: Store, config: dg.Config, method: Method) -> dg.MaterializeResult:
    """Trains, continues an interrupted run, or does nothing when the same run has already finished."""
    folder, manifest = conditions_of(store, config.model)
    output = confined(store.training, config.name or method)
    options = train_options(config, method=method, conditions=str(folder), output=str(output))
    return carried_out(context, plan_run(options, manifest, config.processes), config)


def carried_out(context: dg.AssetExecutionContext, run: Run, config: dg.Config) -> dg.MaterializeResult:
    """The run started, continued, or left alone because it has finished; `config` says how it is launched."""
    reused, reported = run.finished and not config.fresh, {}
    if reused:
        context.log.info(f"nothing to do: {run.output} is already trained with these options and data")
    else:
        words = command(run.output / CONFIG, config.processes, config.grace_s, config.fresh)
        context.log.info(f"training: {shlex.join(words)}")
        try:
            reported = run_child(
                context,
                words,
                log=run.output / "train.log",
                lock=run.output / ".lock",
                grace_s=config.grace_s,
                prepare=partial(run.begin, config.fresh),
                finish=run.end,
                busy=partial(at_work, run.output),
            )
        except (ChangedRecipe, DamagedCheckpoint) as error:
            raise dg.Failure(f"{type(error).__name__}: {error}", allow_retries=False) from error
    return result(context, run, reported, reused)


def result(context: dg.AssetExecutionContext, run: Run, reported: dict[str, Any], reused: bool) -> dg.MaterializeResult:
    """What the trainer reported, the table of scores (also printed), and where everything lies."""
    metadata: dict[str, Any] = {
        "output": dg.MetadataValue.path(str(run.output)),
        "config": dg.MetadataValue.path(str(run.output / CONFIG)),
        "method": run.options.method,
        "dataset version": run.dataset_version,
        "reused": reused,
    }
    table, scores = run.output / TABLE, run.output / SCORES
    if table.exists():
        text = table.read_text(encoding="utf-8")
        metadata["table"] = dg.MetadataValue.md(f"```\n{text}\n```")
        context.log.info(f"scores on held-out tasks\n{text}")
    if scores.exists():  # Dagster plots them over a method's runs
        found = read_object(scores)
        metadata |= success_shares(found) | held_out_means(found)
    return dg.MaterializeResult(metadata=metadata | reported, data_version=dg.DataVersion(run.fingerprint[:16]))
