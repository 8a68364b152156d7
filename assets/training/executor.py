"""The Executor: a pretrained image-to-video model that learns to solve tasks from (image, short task).

It rolls out its own videos of a task T. A VLM judges them, and the frozen Demonstrator, which is the same base model
under the detailed description D, shows at every state of the rollout where it would have gone (World Model
Self-Distillation). What is trained is a LoRA adapter; it ends as a diffusers LoRA with a model card. The trainer is a
program of its own: cancelling the run lets it save first, and the next run goes on from there.
"""

import dagster as dg

from assets.support.resources import CollectionResource
from assets.support.run_config import check_run_config
from assets.support.training_options import ExecutorConfig
from assets.support.training_run import train, training_asset


@training_asset()
def executor(
    context: dg.AssetExecutionContext, config: ExecutorConfig, collection: CollectionResource
) -> dg.MaterializeResult:
    check_run_config(context.run.run_config)
    return train(context, collection.store(), config, "wmsd")
