"""A robot world model fine-tuned by teacher forcing, on true chunks behind a true history.

This is how a model learns another robot, another set of cameras or a new table. Post-train the result by
`train_persistworld`: name its folder final/ as the model there.
"""

import dagster as dg

from assets.support.resources import CollectionResource
from assets.support.run_config import check_run_config
from assets.support.world_model_run import WorldModelConfig, train_world_model, world_model_asset


@world_model_asset()
def finetuned_world_model(
    context: dg.AssetExecutionContext, config: WorldModelConfig, collection: CollectionResource
) -> dg.MaterializeResult:
    check_run_config(context.run.run_config)
    return train_world_model(context, collection.store(), config, "teacher_forcing")
