"""A collection of an older version decodes again, and the VLM is not asked again about pictures that stay."""

from dataclasses import replace

from curation.frames import extract as extraction
from curation.frames.stage import STAGE
from curation.screening.options import ScreeningOptions
from curation.screening.screen import screen_frames
from storage.files import sha256_bytes
from tests.curation.frames.test_frame_extraction import extract, tree, work_log  # noqa: F401 - a fixture
from tests.curation.tasks.conftest import WrittenVLM


def test_a_new_version_decodes_again_and_asks_nothing_again(clip_rows, source, tmp_path, work_log, monkeypatch):  # noqa: F811
    vlm, journal = WrittenVLM(lambda question, media: 1.0), tmp_path / "screening.sqlite"

    def screened(rows):
        rows = [{**row, "phash": "0" * 16} for row in rows]
        return screen_frames(rows, tmp_path, vlm, journal, ScreeningOptions(), 2)

    monkeypatch.setattr(extraction, "STAGE", replace(STAGE, known={STAGE.code.digest: "1"}))
    old = extract(clip_rows, source, tmp_path)
    answers, pictures = screened(old), tree(tmp_path)
    assert len(work_log()) == len(clip_rows) and len(vlm.asked) == len(old)

    monkeypatch.setattr(extraction, "STAGE", STAGE)
    new = extract(clip_rows, source, tmp_path)
    assert len(work_log()) == 2 * len(clip_rows)
    assert new == old and tree(tmp_path) == pictures
    assert screened(new) == answers and len(vlm.asked) == len(old)


def test_a_picture_that_became_another_is_asked_about(clip_rows, source, tmp_path):
    vlm, journal = WrittenVLM(lambda question, media: 1.0), tmp_path / "screening.sqlite"
    rows = [{**row, "phash": "0" * 16} for row in extract(clip_rows, source, tmp_path)]
    screen_frames(rows, tmp_path, vlm, journal, ScreeningOptions(), 2)
    wrong, right = rows[0], rows[1]
    other = (tmp_path / right["image"]).read_bytes() + b"another"
    (tmp_path / wrong["image"]).write_bytes(other)
    now = {**wrong, "image_sha256": sha256_bytes(other)}
    screen_frames([now, *rows[1:]], tmp_path, vlm, journal, ScreeningOptions(), 2)
    assert len(vlm.asked) == len(rows) + 1
