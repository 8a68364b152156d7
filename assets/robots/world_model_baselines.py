"""What a sceptic compares PersistWorld with, one method for each partition, at equal denoiser evaluations.

best_of_k_sft imitates the best of its own rollouts. teacher_forcing_longer goes on with the base's own training.
noisy_history does so behind a history with noise on it. The options are those of the world model's block.
"""

import dagster as dg

from assets.support.resources import CollectionResource
from assets.support.run_config import PARTITION, check_run_config
from assets.support.world_model_run import WorldModelConfig, train_world_model, world_model_asset

BASELINES = dg.StaticPartitionsDefinition(["best_of_k_sft", "teacher_forcing_longer", "noisy_history"])


@world_model_asset(partitions_def=BASELINES)
def world_model_baselines(
    context: dg.AssetExecutionContext, config: WorldModelConfig, collection: CollectionResource
) -> dg.MaterializeResult:
    check_run_config(context.run.run_config, context.run.tags.get(PARTITION))
    if not context.has_partition_key:
        methods = ", ".join(BASELINES.get_partition_keys())
        raise dg.Failure(
            f"this run names no partition: world_model_baselines is partitioned by method ({methods}). Add "
            '--tags \'{"dagster/partition": "noisy_history"}\', or choose partitions in the UI',
            allow_retries=False,
        )
    return train_world_model(context, collection.store(), config, context.partition_key)
