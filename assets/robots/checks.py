"""Asset checks of robot episodes: no leak between splits blocks what follows; what a contract warns of is shown."""

import dagster as dg

from assets.support.resources import CollectionResource
from robots.episode_leaks import copies, split_leaks
from storage.notes import kept_note


@dg.asset_check(
    asset="episodes",
    blocking=True,
    description="No recording and no named source scene is in two splits. Warns where two episodes have the same "
    "states.",
)
def episodes_do_not_leak(collection: CollectionResource) -> dg.AssetCheckResult:
    tables = collection.store().tables("episodes")
    wrong, same = split_leaks(tables), copies(tables)
    problems = [*wrong, *same]
    return dg.AssetCheckResult(
        passed=not problems,
        severity=dg.AssetCheckSeverity.ERROR if wrong else dg.AssetCheckSeverity.WARN,
        description=problems[0] if problems else None,
        metadata={"leaks": dg.MetadataValue.json(wrong[:50]), "same states": dg.MetadataValue.json(same[:50])},
    )


@dg.asset_check(
    asset="episode_statistics",
    description="The states fit the robot's action contract: columns, units, ranges, gripper; few values are clipped.",
)
def contract_holds(collection: CollectionResource) -> dg.AssetCheckResult:
    # Contradictions fail the asset itself; what stands here are doubts.
    store = collection.store()
    doubts = kept_note(store.episode_statistics_facts).get("doubts", ["episode_statistics was not materialized"])
    return dg.AssetCheckResult(
        passed=not doubts,
        severity=dg.AssetCheckSeverity.WARN,
        description=doubts[0] if doubts else None,
        metadata={"doubts": dg.MetadataValue.json(doubts[:50])},
    )
