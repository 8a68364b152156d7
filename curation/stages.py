"""The stages in the order of the data's way."""

from pathlib import Path

from curation.aesthetics.stage import STAGE as AESTHETICS
from curation.clips.stage import STAGE as CLIPS
from curation.frames.stage import STAGE as FRAMES
from curation.quality.stage import STAGE as QUALITY
from curation.screening.stage import STAGE as SCREENING
from curation.tasks.stage import STAGE as TASKS
from curation.taxonomy.stage import STAGE as TAXONOMY
from storage.collection import Store

STAGES = (CLIPS, FRAMES, QUALITY, AESTHETICS, SCREENING, TASKS, TAXONOMY)
NAMES = tuple(stage.name for stage in STAGES)
VLM_STAGES = tuple(stage.name for stage in STAGES if "prompt_tokens" in stage.schema.names)


def tables_of(store: Store) -> dict[str, list[Path]]:
    """The tables of a collection that exist, by stage; the assembled one as that of `worldtasks`."""
    tables = {name: store.tables(name) for name in NAMES}
    return tables | ({"worldtasks": [store.worldtasks]} if store.worldtasks.exists() else {})
