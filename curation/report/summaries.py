"""Counts over all shards: the funnel and the token bill, for the report and for the metadata of every stage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pyarrow.compute as pc

from curation.report.scan import Tables, batches, counts
from curation.stages import STAGES, VLM_STAGES
from storage.tables import KEPT, REJECTED

# In the order of the data's way; what one row of each table is.
UNITS = {stage.name: stage.unit for stage in STAGES} | {"worldtasks": "pairs"}
ORDER = tuple(UNITS)


@dataclass(frozen=True)
class StageCount:
    """One stage of the funnel, in rows of its table (`UNITS`). `reasons` has the rejected rows, most frequent first."""

    stage: str
    rows_in: int
    kept: int
    rejected: int
    reasons: dict[str, int]

    @property
    def unit(self) -> str:
        return UNITS[self.stage]

    @property
    def keep_rate(self) -> float | None:
        """0..1, None when nothing came in."""
        return self.kept / self.rows_in if self.rows_in else None


def funnel(tables: Tables) -> list[StageCount]:
    """Rows in, kept and rejected per reason of every stage that has a table, in the order of the stages.

    Raises ValueError for a stage that is not in ORDER and for a status that is neither kept nor rejected.
    """
    unknown = sorted(set(tables) - set(ORDER))
    if unknown:
        raise ValueError(f"stages {unknown} are not known: choose from {', '.join(ORDER)}")
    return [_count(stage, tables) for stage in ORDER if tables.get(stage)]


def _count(stage: str, tables: Tables) -> StageCount:
    found = counts(tables[stage], ["status", "reason"])
    strange = sorted({status for status, _ in found} - {KEPT, REJECTED})
    if strange:
        raise ValueError(f"{stage}: status {strange[0]!r} is neither {KEPT!r} nor {REJECTED!r}")
    kept = sum(count for (status, _), count in found.items() if status == KEPT)
    rejected = {reason: count for (status, reason), count in found.items() if status == REJECTED}
    reasons = dict(sorted(rejected.items(), key=lambda item: (-item[1], item[0])))
    total = sum(reasons.values())
    return StageCount(stage, kept + total, kept, total, reasons)


def gaps(stages: Sequence[StageCount]) -> list[str]:
    """Sentences for every stage that did not get exactly the rows which the stage before kept; empty when all add up.

    Only neighbours with the same unit are compared: a clip has many frames and a frame many pairs.
    """
    told = []
    for before, after in pairwise(stages):
        adjacent = ORDER.index(after.stage) == ORDER.index(before.stage) + 1
        if adjacent and before.unit == after.unit and before.kept != after.rows_in:
            told.append(
                f"{before.stage} kept {before.kept:,} {before.unit}, but {after.stage} has {after.rows_in:,}: "
                f"some shards of {after.stage} are missing or out of date"
            )
    return told


def keep_rates(stages: Sequence[StageCount]) -> dict[str, float]:
    """Each stage's share of kept rows, 0..1; stages without rows are left out."""
    return {count.stage: count.keep_rate for count in stages if count.keep_rate is not None}


def percent(share: float | None) -> str:
    """0.915 -> "91.5 %". Never rounds to 0 or 100 what is not."""
    if share is None:
        return "-"
    if 0 < share < 0.0005:
        return "<0.1 %"
    if 0.9995 <= share < 1:
        return ">99.9 %"
    return f"{100 * share:.1f} %"


def lost_words(stages: Sequence[StageCount]) -> str:
    """One sentence: how many of its rows each stage rejected, and why. Stages that rejected nothing are left out."""
    if not stages or not stages[0].rows_in:
        return f"{stages[0].stage if stages else ORDER[0]} has no rows: the source has no videos."
    told = [
        f"{stage.stage} {stage.rejected:,} of {stage.rows_in:,} {stage.unit} ({_counted(stage.reasons)})"
        for stage in stages
        if stage.rejected
    ]
    return f"Lost on the way: {'; '.join(told) or 'nothing'}."


def markdown_funnel(stages: Sequence[StageCount]) -> str:
    """The funnel as a markdown table, one row a stage, for the metadata of an asset."""
    lines = ["| stage | in | kept | rejected | kept share | reasons |", "|---|---:|---:|---:|---:|---|"]
    for stage in stages:
        lines.append(
            f"| {stage.stage} ({stage.unit}) | {stage.rows_in:,} | {stage.kept:,} | {stage.rejected:,} "
            f"| {percent(stage.keep_rate)} | {_counted(stage.reasons)} |"
        )
    return "\n".join(lines)


def _counted(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{_plain(reason) or '(none given)'} {count:,}" for reason, count in reasons.items())


def _plain(text: str) -> str:
    """A reason is snake_case by contract; whatever else arrives must not become markdown or HTML."""
    return "".join(char if char.isalnum() or char in "_- ." else "?" for char in text)


def token_totals(tables: Tables) -> dict[str, dict]:
    """Per VLM stage that has a table, and in "total": requests, frames, prompt_tokens, completion_tokens (int).

    A stage entry also has `models` and `prompts`, the sorted distinct `vlm` and `prompt_hash` of its rows. A stage asks
    once a frame, so requests are the frames that carry a model's name; attempts that were retried are not counted.
    The frames of a clip lie in one shard: a frame is never counted twice.
    """
    bill: dict[str, dict] = {}
    for stage in VLM_STAGES:
        if not tables.get(stage):
            continue
        entry = {"requests": 0, "frames": 0, "prompt_tokens": 0, "completion_tokens": 0}
        for path in tables[stage]:
            asked, seen = set(), set()
            for table in batches([path], ["frame_id", "vlm", "prompt_tokens", "completion_tokens"]):
                named = pc.fill_null(pc.not_equal(table["vlm"], ""), False)
                seen.update(pc.unique(table["frame_id"]).to_pylist())
                asked.update(pc.unique(table["frame_id"].filter(named)).to_pylist())
                for name in ("prompt_tokens", "completion_tokens"):
                    entry[name] += pc.sum(table[name]).as_py() or 0
            entry["requests"] += len(asked)
            entry["frames"] += len(seen)
        pairs = counts(tables[stage], ["vlm", "prompt_hash"])
        entry["models"] = sorted({model for model, _ in pairs if model})
        entry["prompts"] = sorted({digest for _, digest in pairs if digest})
        bill[stage] = entry
    names = ("requests", "frames", "prompt_tokens", "completion_tokens")
    return {**bill, "total": {name: sum(entry[name] for entry in bill.values()) for name in names}}
