"""The Executor trained by the paper's other methods, one for each partition, with the same code and options.

Compare them to see what self-distillation, rewards and on-policy rollouts each contribute.
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
            f"this run names no partition: executor_ablations is partitioned by method ({methods}). Add "
            '--tags \'{"dagster/partition": "rl_only"}\', or choose partitions in the UI',
            allow_retries=False,
        )
    return train(context, collection.store(), config, context.partition_key)
