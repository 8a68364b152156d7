"""The partitions of every stage of curation: its shards."""

import dagster as dg

from curation.shards import KEYS

SHARDS = dg.StaticPartitionsDefinition(list(KEYS))

# A run over all shards, told by Dagster's own tags.
ALL_SHARDS = {
    "dagster/asset_partition_range_start": KEYS[0],
    "dagster/asset_partition_range_end": KEYS[-1],
}
