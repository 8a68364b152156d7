"""The stage `aesthetics`: its table, and the code that decides its rows."""

from curation.schemas import AESTHETICS
from curation.stage import Stage

STAGE = Stage(
    name="aesthetics",
    title="Aesthetics",
    unit="frames",
    schema=AESTHETICS,
    upstream="quality",
    decided_by=(
        "curation/aesthetics/colorfulness.py",
        "curation/aesthetics/combine.py",
        "curation/aesthetics/score.py",
        "curation/quality/measure.py",
        "models/clip.py",
    ),
    known={"4322141c0a74": "1", "ebeabb6dcfea": "2", "f0f1a6f16efb": "2", "70e2a5711145": "2", "d88447f2bb6e": "2"},
)
