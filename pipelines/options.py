"""Every option of every recipe as one page of Markdown: docs/options.md.

    python -m pipelines.options > docs/options.md

Run it after a change of options: a test compares the page with what it prints.
"""

import sys
from collections.abc import Iterator
from importlib import import_module

import dagster as dg

from assets.support.option_tables import OptionTables, anchor, first_paragraph
from assets.support.resources import CollectionResource, VLMResource
from assets.support.run_config import OPTIONS

ABOUT = """\
# Every option of every recipe

This page is generated: `python -m pipelines.options > docs/options.md`. Change the options in the code, not here.

A recipe is a Dagster run config. It has up to three blocks:

- `resources`: where the collection lies, and which VLM answers.
- `ops`: one block for each asset, `ops.NAME.config`. Leave out what keeps its default.
- `loggers`: `{console: {config: {log_level: INFO}}}`, or another level.

How to read the tables:

- **required** options have no default.
- An option whose type is a *block* holds further options. The link leads to their table.
- Where a block is a choice, its name is the key: `source: {folder: {folder: videos}}`.
- `{env: NAME}` in place of a value reads the environment variable NAME.
- Unknown options, and values out of range, are errors before anything runs.
- The files of commands without Dagster (`python -m training.train --config FILE`) take the same blocks. There a
  choice is written with `kind`: `objective: {kind: awm, power: 0.25}`.
"""


def page() -> Iterator[str]:
    """The lines of the page."""
    from pipelines.definitions import defs

    blocks = {"resources.collection.config": (CollectionResource, ""), "resources.vlm.config": (VLMResource, "")}
    for asset, place in OPTIONS.items():
        module, _, name = place.rpartition(".")
        said = defs.resolve_asset_graph().get(dg.AssetKey(asset)).description or ""
        blocks[f"ops.{asset}.config"] = getattr(import_module(module), name), first_paragraph(said)
    yield from ABOUT.splitlines()
    yield from ("", "Blocks:", "", *(f"- [{title}](#{anchor(title)})" for title in blocks), "")
    tables = OptionTables()
    for title, (model, said) in blocks.items():
        yield from tables.table(title, model, said)


def main() -> int:
    print("\n".join(page()).rstrip("\n"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
