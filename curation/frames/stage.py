"""The stage `frames`: its table, and the code that decides its pictures and rows."""

from curation.schemas import FRAMES
from curation.stage import Stage

STAGE = Stage(
    name="frames",
    title="Frames",
    unit="frames",
    schema=FRAMES,
    upstream="clips",
    decided_by=(
        "curation/clips/located.py",
        "curation/frames/extract.py",
        "media/container.py",
        "media/decode.py",
        "media/display.py",
        "media/disposable.py",
        "media/fields.py",
        "media/http_ranges.py",
        "media/index.py",
        "media/losses.py",
        "media/neighbours.py",
        "media/ordering.py",
        "media/plan.py",
        "media/reader.py",
        "media/remote.py",
        "media/stills.py",
        "media/taking.py",
        "media/tone_map.py",
        "media/treatment.py",
    ),
    known={
        "14beba8e5678": "1",
        "97b29c24007b": "2",
        "a62b508bf431": "2",
        "fcf1f119832e": "3",
        "75d06eadaa8a": "4",
        "e326d04d7beb": "5",
        "737378d7cf09": "5",
        "34ae8b46bb7e": "5",
        "e1527d417e26": "5",
        "9f679345ecec": "5",
        "d7ad6fd4ae5e": "5",
        "67d13a53acd1": "5",
        "c1630494b4ee": "5",
        "15246b76b45f": "5",
    },
)
