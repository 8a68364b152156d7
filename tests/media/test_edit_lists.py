"""Edit lists of several edits (cameras that pause, editors): what they leave out is not shown, what they show is.

The oracle is a plain decode of the whole file, in which FFmpeg leaves out what the list does.
"""

import numpy as np
import pytest

from media.decode import decode_stills
from media.index import FrameIndex
from media.plan import plan_clip
from media.probe import probe
from tests.media import faults
from tests.media import media_fixtures as make

TICKS = 12288  # a second of the media
EDITS = {  # (seconds, from which second)
    "a middle left out": [(2, 0), (2, 4)],
    "edits that begin at no keyframe": [(1.5, 0.25), (2, 3.6)],
    "the end first": [(3, 3), (3, 0)],
    "the beginning twice": [(3, 0), (3, 0)],
    "an overlap": [(2, 0), (4, 1)],
    "begins late": [(3, 2.3)],
}


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    options = {"bf": "3", "b-pyramid": "normal", "x264-params": "keyint=24"}
    return make.write_video(tmp_path_factory.mktemp("edits") / "film.mp4", frames=144, gop=24, options=options)


@pytest.mark.parametrize(
    "policy", [{"count": 8}, {"count": 3, "mode": "keyframe"}, {"count": 25}, {"every_s": 0.001}], ids=str
)
@pytest.mark.parametrize("name", EDITS)
def test_the_frame_is_one_that_the_list_shows_at_that_time(film, tmp_path, name, policy):
    edits = [(round(1000 * length), round(TICKS * start) + 1024) for length, start in EDITS[name]]
    path = faults.with_edits(film, tmp_path / "edited.mp4", edits)
    index, full = FrameIndex.from_row(probe(path)), make.full_decode(path)
    assert set(index.pts.tolist()) == set(full)
    stills = list(decode_stills(path, plan_clip(index, **policy)))
    assert stills and not [f"{still.pts}: {still.error}" for still in stills if still.error]
    for still in stills:
        assert np.array_equal(still.picture, full[still.pts]), still.pts
