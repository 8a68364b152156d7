"""What an evaluated run scored: Table 1's rates with 95 % intervals, by task type and addressed agent, and seconds.

There are rates of yes and mean p(yes), each without failed judgements and with these as 0, and PickScore if it was
computed. Dagster plots the numbers over partitions. The run record names dataset, checkpoint, LoRA, judge and prompts.
"""

import dataclasses
import json
from pathlib import Path

import dagster as dg

from assets.support.evaluation.asset import run_asset
from assets.support.evaluation.options import ScoresConfig
from assets.support.evaluation.partitions import made_names
from assets.support.evaluation.recorded import Recorded, recorded
from assets.support.resources import CollectionResource
from assets.support.run_config import PARTITION, check_run_config
from evaluation.records import JUDGEMENTS, RUN, SCORES, RunRecord, read_one
from evaluation.scoring.markdown import scores_markdown
from evaluation.scoring.options import ScoreOptions
from evaluation.scoring.score_file import RunScores
from evaluation.scoring.score_runs import score_runs
from storage.files import sha256_file


@run_asset(deps=["judgements"], kinds={"python"})
def scores(
    context: dg.AssetExecutionContext, config: ScoresConfig, collection: CollectionResource
) -> dg.MaterializeResult:
    check_run_config(context.run.run_config, context.run.tags.get(PARTITION))
    store = collection.store()
    names = made_names(context, store, JUDGEMENTS)
    folders = tuple(str(store.evaluated(name)) for name in names)
    try:
        made, _ = score_runs(ScoreOptions(runs=folders, expected=config.expected))
    except ValueError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    found = {name: described(store.evaluated(name), one) for name, one in zip(names, made, strict=True)}
    return recorded(context, found, {"table of all": dg.MetadataValue.md(scores_markdown(made))})


def described(folder: Path, one: RunScores) -> Recorded:
    record = dataclasses.asdict(read_one(folder / RUN, RunRecord))
    shares = {question: scored.rate.value for question, scored in one.questions.items()}
    shares |= {f"{question} p(yes)": scored.soft.value for question, scored in one.questions.items()}
    shares |= {"average": one.average.rate.value, "average p(yes)": one.average.soft.value}
    if one.pickscore:
        shares["PickScore"] = one.pickscore.scaled.value
    metadata = {
        "table": dg.MetadataValue.md(scores_markdown([one])),
        **{name: value for name, value in shares.items() if value is not None},
        "scores": dg.MetadataValue.path(str(folder / SCORES)),
        "judge": one.judge,
        "prompts": dg.MetadataValue.json(one.prompts),
        "benchmark": f"{one.benchmark} {one.benchmark_version}",
        "dataset version": one.dataset_version or "none",
        "run record": dg.MetadataValue.json(json.loads(json.dumps(record))),
    }
    if one.step is not None:
        metadata["step"] = one.step
    return Recorded(metadata, sha256_file(folder / SCORES)[:16])
