"""The stage `quality`: its table, and the code that decides its rows."""

from dataclasses import astuple

from curation.quality_metrics import RULES
from curation.schemas import QUALITY
from curation.stage import Stage

STAGE = Stage(
    name="quality",
    title="Image quality",
    unit="frames",
    schema=QUALITY,
    upstream="frames",
    decided_by=("curation/quality/filter.py", "curation/quality/measure.py"),
    values=[astuple(rule) for rule in RULES],
    known={"e358bd58302e": "1", "45fa19d4521a": "2", "75d4c591ea64": "2"},
)
