"""The Executor: a pretrained image-to-video model that learns to solve tasks from (image, short task).

It generates its own videos of a task T. A VLM judges them. The frozen Demonstrator, which is the same base model given
the detailed description D, shows at every state of the rollout where it would have gone (World Model
Self-Distillation). Only a LoRA adapter is trained. The result is a diffusers LoRA with a model card. The trainer is a
separate program: a cancelled run saves first, and the next run continues from there.
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
