"""Videos lie beside the page under their checksums; those that are missing, changed or broken are told."""

import hashlib
from dataclasses import replace

from tests.evaluation.report.made_runs import MadeRun


def test_videos_lie_beside_the_page_under_their_checksums(four_page, four):
    folder = four_page.path.parent
    rows = four_page.data["rows"]
    assert len(rows) == 24
    for _, _, _, panes in rows:
        for pane in panes:
            video = folder / "videos" / pane[0][:2] / f"{pane[0]}.mp4"
            assert hashlib.sha256(video.read_bytes()).hexdigest() == pane[0]
            assert video.with_suffix(".jpg").read_bytes()[:2] == b"\xff\xd8"


def test_missing_changed_and_broken_videos_are_told_not_linked(report, movies, tmp_path):
    made = MadeRun(tmp_path / "run", 6, movies)
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(movies[0].read_bytes())
    made.videos[3] = replace(made.videos[3], path="../secret.mp4")
    made.videos[4] = replace(made.videos[4], sha256="not hex")
    made.judgements = [
        one for one in made.judgements if one.video_id not in {made.videos[3].video_id, made.videos[4].video_id}
    ]
    made.write()
    (made.folder / made.videos[0].path).unlink()
    changed = made.folder / made.videos[1].path
    changed.unlink()
    changed.write_bytes(b"other")
    found = report([made.folder])
    panes = {found.data["texts"][found.data["samples"][row[1]][0]]: row[3][0] for row in found.data["rows"]}
    told = {name: found.data["texts"][pane[2]] for name, pane in panes.items() if not pane[0]}
    assert "cannot be read" in told["s0000"]
    assert "another one" in told["s0001"]
    assert "leaves the run's folder" in told["s0003"]
    assert "no checksum" in told["s0004"]
    assert set(told) == {"s0000", "s0001", "s0003", "s0004"}
    assert "4 videos are missing" in found.text
    assert "has no scores" in found.text  # judgements of two videos lack


def test_a_file_that_is_no_video_has_no_strip_and_the_rest_goes_on(report, movies, tmp_path):
    made = MadeRun(tmp_path / "run", 3, movies)
    broken = b"this is no video"
    digest = hashlib.sha256(broken).hexdigest()
    wrong = made.videos[0].video_id
    made.videos[0] = replace(made.videos[0], sha256=digest)
    made.judgements = [replace(one, video_sha256=digest) if one.video_id == wrong else one for one in made.judgements]
    made.write()
    path = made.folder / made.videos[0].path
    path.unlink()
    path.write_bytes(broken)
    found = report([made.folder])
    assert found.data["rows"][0][3][0][:2] == [digest, 0]
    assert found.data["rows"][1][3][0][1] == 1
    assert "1 videos do not decode" in found.text
