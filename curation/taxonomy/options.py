"""Settings of the stage `taxonomy`."""

from pydantic import Field

from curation.options import AskOptions


class TaxonomyOptions(AskOptions):
    """What decides the labels."""

    max_tokens: int = Field(600, ge=32, description="Token limit of one answer.")
