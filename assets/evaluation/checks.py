"""Asset checks of an evaluation: what keeps scores and report from being made, and what a reader is warned of."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from assets.support.evaluation.partitions import checked_names
from assets.support.resources import CollectionResource
from assets.support.run_config import resolved
from evaluation import checks
from evaluation.records import MANIFEST, SCORES
from evaluation.scoring.score_file import RunScores, read_scores

PARTIAL = ("dreamgen_scores", "vbvr_scores")  # stages with an option `allow_partial`


def _result(found: Sequence[tuple[str, checks.CheckResult]]) -> dg.AssetCheckResult:
    """One result of a check over several runs, each named."""
    failed = [(about, one) for about, one in found if not one.passed]
    stops = any(one.blocking for _, one in failed or found)
    severity = dg.AssetCheckSeverity.ERROR if stops else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(
        passed=not failed,
        severity=severity,
        description=" | ".join(f"{about}: {one.summary}".removeprefix(": ") for about, one in failed or found)[:4000],
        metadata={f"{about} {name}".strip(): value for about, one in found for name, value in one.details.items()},
    )


def _scored(
    context: dg.AssetCheckExecutionContext, collection: CollectionResource, together: bool = True
) -> list[RunScores]:
    store = collection.store()
    return [read_scores(store.evaluated(name)) for name in checked_names(context, store, SCORES, together)]


@dg.asset_check(
    asset="generated_videos",
    blocking=True,
    description="Every sample has a video of every seed, and there are as many samples as `scores` expects. Failed "
    "videos up to the share `failed_share` give only a warning.",
)
def no_missing_video(context: dg.AssetCheckExecutionContext, collection: CollectionResource) -> dg.AssetCheckResult:
    store = collection.store()
    names = checked_names(context, store, MANIFEST, together=False)
    told = _accepted(context.run)
    return _result([(name, checks.no_missing_video(store.evaluated(name), **told)) for name in names])


def _accepted(run: dg.DagsterRun) -> dict[str, Any]:
    """Which failed videos a run's options accept, and how many samples they expect.

    A benchmark whose table may be partial says the former by its own option `allow_partial`.
    """
    ops = resolved(run.run_config.get("ops") or {}, "ops")
    blocks = {name: (ops.get(name) or {}).get("config") or {} for name in ("generated_videos", "scores", *PARTIAL)}
    videos = blocks["generated_videos"]
    partial = any(blocks[name].get("allow_partial") for name in PARTIAL)
    return {
        "expected": blocks["scores"].get("expected"),
        "limit": 1.0 if partial else float(videos.get("failed_share", checks.WORST_FAILURE_RATE)),
        "missing_images": any(one.get("missing_images") for one in (videos.get("benchmark") or {}).values()),
    }


@dg.asset_check(asset="scores", description="At most 3 % of each question's judgements failed, as in the paper.")
def failure_rate(context: dg.AssetCheckExecutionContext, collection: CollectionResource) -> dg.AssetCheckResult:
    return _result([(one.name, checks.failure_rate(one)) for one in _scored(context, collection, together=False)])


@dg.asset_check(
    asset="scores",
    blocking=True,
    description="Runs that are compared have the same judge, prompts, benchmark, samples and seeds. Curve points and "
    "runs with their own `samples` may have fewer samples.",
)
def same_judge(context: dg.AssetCheckExecutionContext, collection: CollectionResource) -> dg.AssetCheckResult:
    return _result([("", checks.same_judge(_scored(context, collection)))])


@dg.asset_check(asset="scores", description="Over these runs the judge answers each question both with yes and no.")
def constant_judge(context: dg.AssetCheckExecutionContext, collection: CollectionResource) -> dg.AssetCheckResult:
    return _result([("", checks.constant_judge(_scored(context, collection)))])
