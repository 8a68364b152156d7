"""A judge's answers about every video of an evaluated run: task done? by the right agent? is the world consistent?

Each answer has its log-odds, yes or no, the frames shown and the prompt's hash. Failed judgements are recorded as
failures. More judges can judge the same videos, except curve points, to show how far the first can be trusted.
PickScore is computed here too. Nothing that has an answer is asked again.
"""

from pathlib import Path

import dagster as dg

from assets.support.config_blocks import plain
from assets.support.evaluation.asset import run_asset
from assets.support.evaluation.command import run_command
from assets.support.evaluation.options import JudgementsConfig
from assets.support.evaluation.partitions import made_names
from assets.support.evaluation.recorded import Recorded, recorded
from assets.support.resources import CollectionResource
from assets.support.run_config import PARTITION, check_run_config
from evaluation.judging.options import JudgingOptions
from evaluation.preference.pickscore_file import PICKSCORES, read_skipped
from evaluation.records import JUDGEMENTS, RUN, RunRecord, read_one
from storage.files import sha256_file
from storage.json_files import read_object


@run_asset(deps=["generated_videos"], kinds={"python"})
def judgements(
    context: dg.AssetExecutionContext, config: JudgementsConfig, collection: CollectionResource
) -> dg.MaterializeResult:
    check_run_config(context.run.run_config, context.run.tags.get(PARTITION))
    store = collection.store()
    names = made_names(context, store)
    runs = [str(store.evaluated(name)) for name in names]
    given = plain(config)
    asked: dict[str, int] = dict.fromkeys(names, 0)
    rows = [name for name in names if "curve" not in read_one(store.evaluated(name) / RUN, RunRecord).extra]
    first = {name: given[name] for name in JudgingOptions.model_fields}
    for judge, judged in [(first, names), *((one, rows) for one in given["further"] if rows)]:
        options = judge | {"runs": [str(store.evaluated(name)) for name in judged]}
        told = run_command(context, store, "evaluation.judge", options, judged, config.grace_s)
        asked = {name: asked[name] + int(told.get(name, 0)) for name in names}
    if config.pickscore is not None:
        options = plain(config.pickscore) | {"runs": runs}
        run_command(context, store, "evaluation.preference", options, names, config.grace_s)
    found = {name: described(store.evaluated(name), asked[name]) for name in names}
    return recorded(context, found)


def described(folder: Path, asked: int) -> Recorded:
    told = ("judge", "prompts", "videos", "judgements", "failures", "constant", "agreement")
    summary = read_object(folder / JudgingOptions().summary_file, *told)
    metadata = {
        "judgements": dg.MetadataValue.path(str(folder / JUDGEMENTS)),
        "judge": summary["judge"],
        "prompts": dg.MetadataValue.json(summary["prompts"]),
        "videos": summary["videos"],
        "answers": summary["judgements"] - sum(summary["failures"].values()),
        "failures": dg.MetadataValue.json(summary["failures"]),
        "constant": dg.MetadataValue.json(summary["constant"]),
        "agreement": dg.MetadataValue.json(summary["agreement"]),
        "requests now": asked,
        "further judges": ", ".join(path.name.split(".")[1] for path in sorted(folder.glob("judgements.*.jsonl"))),
    }
    if (folder / PICKSCORES).exists():
        metadata["PickScore"] = dg.MetadataValue.path(str(folder / PICKSCORES))
    elif reason := read_skipped(folder):
        metadata["PickScore"] = reason
    return Recorded(metadata, sha256_file(folder / JUDGEMENTS)[:16])
