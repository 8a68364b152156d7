"""The stage `screening`: its table, and the code that decides its rows."""

from curation.schemas import SCREENING
from curation.stage import Stage

STAGE = Stage(
    name="screening",
    title="Screening",
    unit="frames",
    schema=SCREENING,
    upstream="aesthetics",
    decided_by=("curation/screening/screen.py", "curation/vlm_calls.py"),
    known={"2d8ce9e946c4": "1", "0fef41d341ae": "2", "46ab447911de": "2", "0a99e6bc178b": "2"},
)
