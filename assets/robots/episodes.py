"""Episodes of a robot: their states, where each view's frames lie, and what every loader rule found.

Read from Ctrl-World's layout, a LeRobot data set (v2.1 or v3.0), or the robot microworld, whose episodes are made here.
An episode that cannot be used stays in the table with the name of the rule that refused it.
"""

import dagster as dg

from assets.support.config_blocks import config_block
from assets.support.episodes import STAGE, EpisodesOptions, pictures, rules_markdown, source_of, split_counts
from assets.support.resources import CollectionResource
from assets.support.stage import run_stage, stage_asset
from curation.shards import shard_of
from robots.layouts.source_folder import NoSource

EpisodesConfig = config_block(EpisodesOptions)


@stage_asset(STAGE, group="robots", kinds={"python", "parquet"})
def episodes(
    context: dg.AssetExecutionContext, config: EpisodesConfig, collection: CollectionResource
) -> dg.MaterializeResult:
    from robots.episode_table import row_of
    from robots.layouts.read import episode_ids, read_episodes
    from robots.listing import listing_hash

    store = collection.store()
    options = EpisodesOptions(**config.model_dump(mode="json"))
    try:
        source = source_of(options, store)
        files = listing_hash(source)
        places = {name: shard_of(name, len(store.shards)) for name in episode_ids(source)}

        def build(shard: str) -> list[dict]:
            mine = {name for name, place in places.items() if place == shard}
            rows = [row_of(episode) for episode in read_episodes(source, only=mine)]
            return sorted(rows, key=lambda row: row["episode_id"])

        settings = source.model_dump(mode="json")
        result = run_stage(context, store, STAGE, settings, build, pictures, source=lambda shard: files)
    except NoSource as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    tables = store.tables(STAGE.name)
    shown = {"rules": rules_markdown(tables), **split_counts(tables)}
    return dg.MaterializeResult(metadata={**result.metadata, **shown}, data_version=result.data_version)
