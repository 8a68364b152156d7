import pytest

from tests.training.robots.robot_rig import Rig, make


@pytest.fixture(scope="session")
def rig(tmp_path_factory) -> Rig:
    return Rig(make(tmp_path_factory.mktemp("robot")))
