"""The decorator of every asset that is partitioned by evaluated run."""

from collections.abc import Callable
from typing import Any

import dagster as dg

from assets.support.asset import asset
from assets.support.evaluation.partitions import EVALUATION_RUNS


def run_asset(**attributes: Any) -> Callable[[Callable], dg.AssetsDefinition]:
    """Runs side by side are one Dagster run, so that a model is loaded once for all of them."""
    return asset(
        group="evaluation",
        partitions_def=EVALUATION_RUNS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        code_version="1",
        **attributes,
    )
