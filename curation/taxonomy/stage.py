"""The stage `taxonomy`: its table, and the code that decides its rows."""

from curation.schemas import TAXONOMY
from curation.stage import Stage

STAGE = Stage(
    name="taxonomy",
    title="Taxonomy",
    unit="pairs",
    schema=TAXONOMY,
    upstream="tasks",
    decided_by=(
        "curation/taxonomy/classify.py",
        "curation/vlm_calls.py",
        "models/vlm/json_answers.py",
        "models/vlm/second_try.py",
    ),
    known={"45a5238241a7": "1", "661d2fc6f4da": "2", "bb89c8e7d8de": "2", "14eaa772ed85": "2"},
)
