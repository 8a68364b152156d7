"""The paper's ablations on the microworld: every method, several seeds, anchor weights, rewards on and off, a long run.

Each is a separate training run on the same held-out tasks. Two run at a time, within a time limit. The report says
which of the paper's claims hold here, with intervals, paired tests, tables, and charts over the paper's curves.
Finished runs are never repeated, so after a cancelled run or a time limit the next one continues.
"""

import json
from pathlib import Path

import dagster as dg

from assets.support.program import run_program
from assets.support.reproduction_options import ReproductionConfig, reproduction_options
from assets.support.resources import CollectionResource
from assets.support.run_config import check_run_config
from assets.support.training_run import conditions_of, training_asset
from pages.pictures import inline
from storage.files import confined, sha256_bytes
from storage.json_files import read_object
from training.reproduction.files import CHARTS, JSON, MARKDOWN

# Patience beyond the runs' own, for reports and the last writes.
BEYOND_S = 60.0
PARTS = {"claims": "## What the paper claims", "table": "## Scores at the end", "runs": "## Runs"}


@training_asset()
def reproduction(
    context: dg.AssetExecutionContext, config: ReproductionConfig, collection: CollectionResource
) -> dg.MaterializeResult:
    check_run_config(context.run.run_config)
    store = collection.store()
    conditions, manifest = conditions_of(store, config.training.model)
    output = confined(store.training, config.name or "reproduction")
    options = reproduction_options(config, str(output), str(conditions))
    reported = run_program(
        context,
        "training.reproduce",
        options.model_dump(mode="json"),
        config=output / "config.yaml",
        log=output / "reproduce.log",
        lock=output / ".lock",
        grace_s=config.grace_s + BEYOND_S,
    )
    metadata = {"output": dg.MetadataValue.path(str(output)), "dataset version": manifest["dataset_version"]}
    found, version = results(output)
    return dg.MaterializeResult(metadata=metadata | found | reported, data_version=dg.DataVersion(version))


def results(output: Path) -> tuple[dict[str, dg.MetadataValue | str | int | bool], str]:
    """Metadata of the report in `output`, and a version of what the runs came to (not of how long they took)."""
    text = (output / MARKDOWN).read_text(encoding="utf-8")
    found = read_object(output / JSON, "complete", "claims", "runs")
    sections = {part.partition("\n")[0]: part.partition("\n")[2] for part in ("\n" + text).split("\n## ")}
    metadata = {"report": dg.MetadataValue.path(str(output / MARKDOWN)), "complete": found["complete"]}
    for name, head in PARTS.items():
        body = next(body for title, body in sections.items() if title.startswith(head.removeprefix("## ")))
        metadata[name] = dg.MetadataValue.md(without_pictures(body))
    metadata |= {f"claim {claim['key']}": claim["verdict"] for claim in found["claims"]}
    metadata["runs ended"] = sum(run["status"] in ("finished", "diverged") for run in found["runs"])
    for name in CHARTS:
        picture = output / f"{name}.png"
        if picture.exists():
            metadata[f"chart {name}"] = dg.MetadataValue.md(inline(name, picture.read_bytes()))
    came_to = [[run["folder"], run["status"], [point["average"] for point in run["curve"]]] for run in found["runs"]]
    return metadata, sha256_bytes(json.dumps(came_to).encode())[:16]


def without_pictures(markdown: str) -> str:
    return "\n".join(line for line in markdown.splitlines() if not line.startswith("![")).strip()
