"""A folder of small clips, good and bad, and the rows of the clips stage that name them."""

import hashlib
from pathlib import Path

import pytest

from media.probe import probe
from storage.tables import KEPT
from tests.media import media_fixtures as make


def clip_row(folder: Path, path: Path, clip_id: str) -> dict:
    """The columns of curation.schemas.CLIPS that frame extraction reads."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    relative = str(path.relative_to(folder))
    return {"clip_id": clip_id, "path": relative, "digest": digest, "status": KEPT, **probe(path)}


@pytest.fixture(scope="session")
def source(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    make.write_video(folder / "a.mp4")
    make.write_video(folder / "b 'x' <script> \u96ea.mp4", frames=10, gop=100)
    make.write_video(folder / "c.mp4", frames=1)
    make.write_video(folder / "turned.mp4", frames=9, rotation=270)
    return folder


@pytest.fixture(scope="session")
def clip_rows(source) -> list[dict]:
    """Rows in an order that is not that of their ids."""
    return [clip_row(source, path, f"clip{9 - i}") for i, path in enumerate(sorted(source.glob("*.mp4")))]
