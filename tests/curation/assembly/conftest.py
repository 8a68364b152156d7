"""Small WorldTasks inputs."""

from tests.curation.assembled import collection, forty, scattered_hash

__all__ = ["collection", "forty", "scattered_hash"]
