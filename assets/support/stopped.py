"""What is left by a check that stops a release: its words in the log, and the report, since that shows why."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from curation.release.facts import collection_facts
from curation.report.page import make_page
from curation.stages import tables_of
from storage.collection import Store


def stopped(context: dg.AssetCheckExecutionContext, store: Store, problems: Sequence[str]) -> dict[str, Any]:
    """Metadata of a check with these `problems`, of which each stops the release: where the report lies.

    The asset `curation_report` comes after the release. So the page is made here, and says what stopped the release.
    """
    if not problems:
        return {}
    why = problems[0] if len(problems) == 1 else f"{problems[0]} And {len(problems) - 1} more."
    context.log.error(f"no release is made: {why}")
    try:
        make_page(store, tables_of(store), collection_facts(store) | {"not_published": why})
    except (OSError, ValueError, KeyError) as error:  # the check's own words must not be lost
        context.log.warning(f"the report could not be made: {type(error).__name__}: {error}")
        return {}
    context.log.error(f"what was kept and rejected, and why: {store.report}")
    return {"report": dg.MetadataValue.path(str(store.report))}
