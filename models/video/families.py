"""The families of video models there are: to add one, write its folder and name its facts here."""

from typing import Literal

from models.video.facts import Family, Published
from models.video.hunyuan15.facts import HUNYUAN15
from models.video.ltx2.facts import LTX2
from models.video.wan.facts import WAN

FAMILIES: dict[str, Family] = {family.kind: family for family in (WAN, LTX2, HUNYUAN15)}
Kind = Literal[tuple(FAMILIES)]


def published(path: str) -> tuple[Family, Published] | None:
    """The published checkpoint with the Hub id `path`, and its family."""
    for family in FAMILIES.values():
        for row in family.published:
            if path in row.ids:
                return family, row
    return None
