"""The Executor trained by the other methods of the paper, one a partition, with the same code and options.

What self-distillation, rewards and on-policy rollouts each contribute, side by side.
"""

from typing import get_args

import dagster as dg

from assets.support.resources import CollectionResource
from assets.support.run_config import PARTITION, check_run_config
from assets.support.training_options import ExecutorConfig
from assets.support.training_run import train, training_asset
from training.options.methods import Method

ABLATIONS = dg.StaticPartitionsDefinition([method for method in get_args(Method) if method != "wmsd"])


@training_asset(partitions_def=ABLATIONS)
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
