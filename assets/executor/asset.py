"""The Executor: a pretrained image-to-video model that learns to solve tasks from (image, short task).

It rolls out its own videos of a task T. A VLM judges them, and the frozen Demonstrator, which is the same base model
under the detailed description D, shows at every state of the rollout where it would have gone (World Model
Self-Distillation). What is trained is a LoRA adapter; it ends as a diffusers LoRA with a model card. The trainer is a
program of its own: cancelling the run lets it save first, and the next run goes on from there.
"""

from typing import get_args

import dagster as dg

from assets.executor.options import ExecutorConfig
from assets.executor.training import VERSION, train
from assets.resources import CollectionResource
from assets.run_config import PARTITION, check_run_config
from training.config import Method

ABLATIONS = dg.StaticPartitionsDefinition([method for method in get_args(Method) if method != "wmsd"])
SHARED = {"group_name": "training", "kinds": {"python", "torch"}, "code_version": VERSION, "pool": "gpu"}


@dg.asset(deps=["conditions"], description=__doc__, **SHARED)
def executor(
    context: dg.AssetExecutionContext, config: ExecutorConfig, collection: CollectionResource
) -> dg.MaterializeResult:
    check_run_config(context.run.run_config)
    return train(context, collection.store(), config, "wmsd")


@dg.asset(
    deps=["conditions"],
    partitions_def=ABLATIONS,
    description="The Executor trained by the other methods of the paper, one a partition, with the same code and "
    "options: what self-distillation, rewards and on-policy rollouts each contribute, side by side.",
    **SHARED,
)
def executor_ablations(
    context: dg.AssetExecutionContext, config: ExecutorConfig, collection: CollectionResource
) -> dg.MaterializeResult:
    check_run_config(context.run.run_config, context.run.tags.get(PARTITION))
    if not context.has_partition_key:
        methods = ", ".join(ABLATIONS.get_partition_keys())
        raise dg.Failure(
            f"executor_ablations is partitioned by method and this run names none of {methods}: add "
            '--tags \'{"dagster/partition": "rl_only"}\', or choose partitions in the UI',
            allow_retries=False,
        )
    return train(context, collection.store(), config, context.partition_key)
