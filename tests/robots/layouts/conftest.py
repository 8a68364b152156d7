"""Small LeRobot sets of both versions."""

import pytest

from tests.robots.numbered_videos import FILES, LENGTHS, write_v3, write_v21


@pytest.fixture
def v3(tmp_path):
    return write_v3(tmp_path / "v3", LENGTHS, FILES)


@pytest.fixture
def v21(tmp_path):
    return write_v21(tmp_path / "v21", LENGTHS)


@pytest.fixture(params=["v21", "v3"])
def either(request):
    return request.getfixturevalue(request.param)
