"""Settings of the stage `screening`."""

from pydantic import Field

from curation.options import AskOptions


class ScreeningOptions(AskOptions):
    """What decides the screening."""

    threshold: float = Field(0.0, description="Frames with log p(yes) - log p(no) below this are rejected (nats).")
