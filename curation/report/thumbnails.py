"""Pictures small enough to live inside the page, as data URIs, within one budget for the whole page."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from media.pictures import opened, upright
from storage.files import PathOutsideRoot, confined

GALLERY_EDGE, SAMPLE_EDGE = 360, 560  # longer side, pixels; shown at about 200 and 420 CSS pixels
JPEG_QUALITY = 72
BUDGET = 4_500_000  # bytes of data URIs in one page


@dataclass
class Thumbnails:
    """Makes data URIs until `budget` bytes are spent."""

    images_root: Path
    withheld: frozenset[str] = frozenset()  # images that somebody asked to have removed
    budget: int = BUDGET
    spent: int = 0
    shown: int = 0
    missing: int = 0
    left_out: int = 0

    def uri(self, image: str, edge: int = GALLERY_EDGE) -> tuple[str, str]:
        """(data URI, "") of the picture at `image` below the root, its longer side at most `edge` pixels, or ("", why).

        A path outside the root, an absent file and bytes that are no JPEG or PNG are told, never raised: a rejected
        frame is exactly the one that may not open.
        """
        if not image:
            return "", "it has no picture"
        if image in self.withheld:
            return "", "removed on request"
        if self.spent >= self.budget:
            self.left_out += 1
            return "", "left out: the page is full"
        try:
            path = confined(self.images_root, image)
            data = shrunk(path, edge)
        except (PathOutsideRoot, OSError, ValueError) as error:
            self.missing += 1
            return "", f"no picture: {type(error).__name__}"
        uri = "data:image/jpeg;base64," + base64.b64encode(data).decode()
        if self.spent + len(uri) > self.budget:
            self.spent = self.budget
            self.left_out += 1
            return "", "left out: the page is full"
        self.spent += len(uri)
        self.shown += 1
        return uri, ""


def shrunk(path: Path, edge: int) -> bytes:
    """The picture as a JPEG whose longer side is at most `edge` pixels, without metadata, the same bytes each time."""
    with opened(path) as image:
        image.draft("RGB", (edge, edge))  # a JPEG is decoded at a fraction of its size
        small = upright(image).convert("RGB")
    small.thumbnail((edge, edge), Image.Resampling.LANCZOS, reducing_gap=2.0)
    out = io.BytesIO()
    small.save(out, "JPEG", quality=JPEG_QUALITY, optimize=True, progressive=False)
    return out.getvalue()
