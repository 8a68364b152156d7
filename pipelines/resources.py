"""The resources of the code location, with their settings left to the run config."""

from assets.resources import CollectionResource, VLMResource

RESOURCES = {"collection": CollectionResource.configure_at_launch(), "vlm": VLMResource.configure_at_launch()}
