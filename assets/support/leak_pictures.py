"""Pictures for the check `no_leak`: train images beside the benchmark images that they are like."""

from collections.abc import Sequence

from curation.assembly.leaks import Alike
from curation.drawing import contact_sheet_jpeg
from pages.pictures import inline
from storage.collection import Store
from storage.files import confined

PAIRS_SHOWN, TILE_PX = 6, 160


def side_by_side(store: Store, pairs: Sequence[Alike]) -> str:
    """Markdown with the pictures of the first pairs, two pairs a row."""
    shown = pairs[:PAIRS_SHOWN]
    images = [image for pair in shown for image in (pair.train_image, pair.bench_image)]
    captions = [caption for pair in shown for caption in (f"train {pair.train}", f"bench {pair.bench}")]
    sheet = contact_sheet_jpeg([confined(store.folder, image) for image in images], 4, TILE_PX, captions)
    return inline("train images beside the benchmark images that they are like", sheet)
