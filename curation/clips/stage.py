"""The stage `clips`: its table, and the code that decides its rows."""

from curation.schemas import CLIPS
from curation.stage import Stage

STAGE = Stage(
    name="clips",
    title="Clips",
    unit="clips",
    schema=CLIPS,
    decided_by=(
        "curation/clips/content.py",
        "curation/clips/folder.py",
        "curation/clips/manifest.py",
        "curation/clips/miradata.py",
        "curation/clips/miradata_files.py",
        "curation/clips/suffixes.py",
        "media/container.py",
        "media/display.py",
        "media/disposable.py",
        "media/fields.py",
        "media/index.py",
        "media/losses.py",
        "media/ordering.py",
        "media/probe.py",
        "media/reader.py",
        "media/sample_table.py",
        "media/shots.py",
        "media/span.py",
        "media/tone_map.py",
    ),
    known={
        "6de8e7a69ad5": "2",
        "20c314c5e71a": "2",
        "0239199bbd40": "3",
        "cec939d1e22b": "3",
        "c2fd464e138a": "4",
        "77a8c3cf58e9": "5",
        "6d8cb07b934e": "5",
        "0eefa7be3ae7": "6",
        "777afc2b3650": "6",
        "2964882d1d48": "6",
        "89413f10d7ea": "6",
        "f7c607c463df": "6",
    },
)
