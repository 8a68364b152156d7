"""What the stage `frames` shows of itself in the UI."""

from collections.abc import Sequence
from pathlib import Path

from curation.drawing import contact_sheet_jpeg
from storage.tables import kept_rows

SHOWN = 24


def pictures(tables: Sequence[Path], images_root: Path) -> dict[str, bytes]:
    """A sheet of frames at even distances, by file name; none when there is no frame."""
    images = [images_root / row["image"] for table in tables for row in kept_rows(table)]
    step = max(1, len(images) // SHOWN)
    return {"sample.jpg": contact_sheet_jpeg(images[::step][:SHOWN], 8, 120)} if images else {}
