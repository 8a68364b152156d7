"""One HTML file about one curation run: everything inside, nothing fetched, the same bytes for the same input."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from curation.report import paper
from curation.report.composition import bound_clips, container_facts, snap_offsets, splits, taxonomy, word_counts
from curation.report.distributions import distributions
from curation.report.galleries import PICTURED, Caps, galleries, rejected_clips
from curation.report.honesty import answered_by
from curation.report.samples import near_duplicates, removed_images, task_samples
from curation.report.summaries import UNITS, funnel, gaps, percent, token_totals
from curation.report.thumbnails import BUDGET, Thumbnails
from curation.stages import STAGES
from pages.page import environment
from storage.files import write_bytes

HERE = Path(__file__).parent
HEAD = ("collection", "version", "source", "scorer", "generated_by")
TITLES = {stage.name: stage.title for stage in STAGES} | {"worldtasks": "The dataset"}


def build_report(
    tables: Mapping[str, Sequence[Path]],
    images_root: Path,
    out: Path,
    facts: Mapping[str, Any],
    caps: Caps | None = None,
    budget: int = BUDGET,
) -> dict[str, Any]:
    """Writes the report of one collection to `out`, atomically, and returns what is in it.

    tables: stage (curation.report.summaries.ORDER) -> its Parquet files of all shards; stages may be absent.
    images_root: the folder that the tables' `image` is relative to.
    budget: bytes of pictures in the page; those beyond it are told, not shown.
    facts: JSON values. Known names: collection, version, source, vlm, vlm_kind ("scripted", "tiny" or "model"; else
    told from the id), scorer, generated_by, date, licences, options (nested; thresholds under their option's
    names), seconds ({stage: seconds}), not_published (why these tables are no release). Everything is shown; nothing is
    required. There is no clock in here: a date must be a fact.

    Returns {path, sha256, size_bytes, pictures, pictures_missing, pictures_left_out, published, funnel}, where funnel
    is a list of {stage, rows_in, kept, rejected, reasons}. Raises ValueError for an unknown stage, a missing column
    or a status that is neither kept nor rejected.
    """
    caps = caps or Caps()
    tables = {stage: sorted(paths) for stage, paths in tables.items() if paths}
    thumbnails = Thumbnails(images_root, removed_images(tables.get("worldtasks", [])), budget)
    stages = funnel(tables)
    html = _environment().get_template("page.html.j2").render(_view(tables, stages, facts, caps, thumbnails))
    data = html.encode("utf-8")
    write_bytes(out, data)
    return {
        "path": str(out),
        "sha256": hashlib.sha256(data).hexdigest(),
        "size_bytes": len(data),
        "pictures": thumbnails.shown,
        "pictures_missing": thumbnails.missing,
        "pictures_left_out": thumbnails.left_out,
        "published": next((stage.kept for stage in stages if stage.stage == "worldtasks"), 0),
        "funnel": [
            {name: getattr(stage, name) for name in ("stage", "rows_in", "kept", "rejected", "reasons")}
            for stage in stages
        ],
    }


def _view(tables, stages, facts, caps: Caps, thumbnails: Thumbnails) -> dict[str, Any]:
    """Everything the templates show, worked out; texts still raw."""
    by_stage = {stage.stage: stage for stage in stages}
    tokens = token_totals(tables)
    options = facts.get("options")
    measured: dict[str, list] = {}
    for distribution in distributions(tables, options if isinstance(options, Mapping) else {}):
        measured.setdefault(distribution.measure.stage, []).append(distribution)
    # Samples before galleries: when the picture budget runs out, the last to be asked go without.
    samples = task_samples(tables["tasks"], thumbnails, caps) if "tasks" in tables else []
    twins, duplicates = near_duplicates(tables["worldtasks"], thumbnails, caps) if "worldtasks" in tables else ([], 0)
    parts, overlap = splits(tables["worldtasks"]) if "worldtasks" in tables else ([], 0)
    shown = {
        stage: galleries(by_stage[stage], tables[stage], thumbnails, caps) for stage in PICTURED if stage in by_stage
    }
    seconds = facts.get("seconds")
    return {
        "head": {name: _one_line(facts.get(name)) for name in HEAD},
        "provenance": sorted(_flattened({name: value for name, value in facts.items() if name != "seconds"}).items()),
        "answers": answered_by(tokens, facts),
        "stages": stages,
        "by_stage": by_stage,
        "absent": [stage for stage in UNITS if stage not in by_stage],
        "gaps": gaps(stages),
        "keep_rates": paper.KEEP_RATES,
        "measured": measured,
        "interactive": {
            distribution.measure.column: {
                "edges": [float(distribution.edges[0]), float(distribution.edges[-1])],
                "log": distribution.measure.log,
                "values": distribution.quantiles(),
                "eligible": len(distribution.eligible),
                "rows": distribution.rows,
                "low": distribution.low,
                "high": distribution.high,
            }
            for group in measured.values()
            for distribution in group
            if distribution.low is not None or distribution.high is not None
        },
        "galleries": shown,
        "clips": rejected_clips(tables["clips"], by_stage["clips"], caps) if "clips" in tables else [],
        "containers": container_facts(tables["clips"]) if "clips" in tables else [],
        "bound": bound_clips(tables["clips"]) if "clips" in tables else 0,
        "offsets": snap_offsets(tables["frames"]) if "frames" in tables else {},
        "samples": samples,
        "words": word_counts(tables["tasks"]) if "tasks" in tables else {},
        "taxonomy": taxonomy(tables["taxonomy"]) if "taxonomy" in tables else None,
        "splits": parts,
        "overlap": overlap,
        "apart": str(facts.get("split") or ""),
        "stopped": str(facts.get("not_published") or ""),
        "twins": twins,
        "duplicates": duplicates,
        "tokens": tokens,
        "seconds": seconds if isinstance(seconds, Mapping) else {},
        "thumbnails": thumbnails,
    }


def _one_line(fact: Any) -> str:
    """{"kind": "folder", "depth": 2} -> "folder (depth 2)"; any other fact as it is, "" when there is none."""
    if not isinstance(fact, Mapping):
        return str(fact or "")
    rest = ", ".join(
        f"{name} {value}" for name, value in sorted(fact.items()) if name != "kind" and value not in ("", None)
    )
    return f"{fact.get('kind', 'unnamed')}{f' ({rest})' if rest else ''}"


def _flattened(facts: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested facts as {"options.quality.min_mean_luma": "20.0"}; values that are no text as in the recipe, in JSON."""
    found: dict[str, str] = {}
    for name, value in facts.items():
        if isinstance(value, Mapping):
            found |= _flattened(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return found


def _environment() -> jinja2.Environment:
    made = environment(HERE, ["style.css"], ["script.js"])
    made.filters["percent"] = lambda share: percent(share).replace(" ", "\u00a0")
    made.globals |= {
        "titles": TITLES,
        "units": UNITS,
    }
    return made
