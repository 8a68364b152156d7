"""Tags of Dagster runs over evaluated runs, which are partitions: the stretches that hold no other name."""

import json
from collections.abc import Sequence

from assets.support.evaluation.partitions import LATER, RANGE, STARTED_FOR
from assets.support.run_config import PARTITION


def stretches(known: Sequence[str], wanted: Sequence[str]) -> list[list[str]]:
    """The `wanted` names in contiguous blocks of `known`, which is Dagster's order of partitions."""
    found: list[list[str]] = []
    before = False
    for name in known:
        if name in wanted:
            found = [*found[:-1], [*found[-1], name]] if before else [*found, [name]]
        before = name in wanted
    return found


def tags_of(parts: Sequence[Sequence[str]]) -> list[dict[str, str]]:
    """Tags of the Dagster run of each part: its partitions, and the names of the runs that it is started for.

    A range of partitions is given by its two ends only, and the list of partitions can change: so a step keeps to the
    names. A check over all runs also gets the names in later parts, because these runs are about to be made again.
    """
    found = []
    for number, names in enumerate(parts, 1):
        told = {PARTITION: names[0]} if len(names) == 1 else {RANGE[0]: names[0], RANGE[1]: names[-1]}
        later = [name for part in parts[number:] for name in part]
        found.append(told | {STARTED_FOR: json.dumps(list(names))} | ({LATER: json.dumps(later)} if later else {}))
    return found
