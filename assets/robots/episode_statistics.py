"""What states are normalised by: 1 % and 99 % quantiles of the kept train episodes, or those of a model's own file.

The states are first held against the robot's action contract: a gripper that never closes, centimetres for metres,
joints where poses are expected or normalised numbers stop the run, with the figures. The share of clipped values is
shown.
"""

import dagster as dg

from assets.support.asset import asset
from assets.support.config_blocks import config_block
from assets.support.episodes import (
    EpisodeStatisticsOptions,
    findings_markdown,
    robot_of,
    statistics_markdown,
)
from assets.support.resources import CollectionResource
from assets.support.run_config import check_run_config
from robots.state_statistics import NoStates, statistics_of
from robots.statistics import write_statistics
from storage.files import sha256_file
from storage.json_files import NotJson
from storage.notes import write_note

EpisodeStatisticsConfig = config_block(EpisodeStatisticsOptions)


@asset(group="robots", deps=["episodes"], kinds={"python"}, code_version="1")
def episode_statistics(
    context: dg.AssetExecutionContext, config: EpisodeStatisticsConfig, collection: CollectionResource
) -> dg.MaterializeResult:
    check_run_config(context.run.run_config)
    store = collection.store()
    tables = store.tables("episodes")
    if not tables:
        raise dg.Failure("there are no episodes: materialize `episodes` first", allow_retries=False)
    try:
        found = statistics_of(tables, robot_of(tables), config.path)
    except (NoStates, NotJson, OSError) as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    shown = {
        "statistics": dg.MetadataValue.md(statistics_markdown(found)),
        "contract": dg.MetadataValue.md(findings_markdown(found)),
        "train rows": found.own.count,
        "robot": found.statistics.robot,
    }
    if wrong := [one for one in found.findings if one.refused]:
        raise dg.Failure(f"{wrong[0].rule}: {wrong[0].message}", metadata=shown, allow_retries=False)
    write_statistics(store.episode_statistics, found.statistics)
    write_note(store.episode_statistics_facts, {"doubts": found.doubts(config.most_clipped)})
    version = sha256_file(store.episode_statistics)[:16]
    shown["file"] = dg.MetadataValue.path(str(store.episode_statistics))
    return dg.MaterializeResult(metadata=shown, data_version=dg.DataVersion(version))
