"""The robot world model, post-trained on its own closed-loop rollouts (PersistWorld).

It rolls itself out, branches, is rewarded for branches that stay near the true frames of all cameras, and learns from
the best and the worst (S1 to S4). A LoRA and the whole action encoder are trained. The result is a whole model under
Ctrl-World's names, with the statistics of its actions and a card. Base and result are compared on held-out episodes,
rollout by rollout. A cancelled run saves first, and the next run continues from there.
"""

import dagster as dg

from assets.support.resources import CollectionResource
from assets.support.run_config import check_run_config
from assets.support.world_model_run import WorldModelConfig, train_world_model, world_model_asset


@world_model_asset()
def world_model(
    context: dg.AssetExecutionContext, config: WorldModelConfig, collection: CollectionResource
) -> dg.MaterializeResult:
    check_run_config(context.run.run_config)
    return train_world_model(context, collection.store(), config, "persistworld")
