"""The card's pictures: the taxonomy as a chart, and a grid of samples. The same input gives the same bytes."""

import io
from collections import Counter
from collections.abc import Mapping, Sequence

from pages.charts import Bars
from pages.png import draw

CELL = (320, 180)  # pixels of one picture of the grid
COLUMNS = 3
MOST = 12  # categories of a chart
COLOURS = ("neutral", "rejected")  # of the splits


def taxonomy_png(splits: Mapping[str, Mapping[str, Mapping[str, int]]]) -> bytes:
    """PNG of two bar charts, agent categories and task types, as shares of each split; the commonest 12 of each.

    `splits`: {split: {"agent_categories" | "task_types": {name: pairs}}}. Names are drawn as they are: no markup.
    """
    made = []
    for kind, title in (("agent_categories", "Addressed agent"), ("task_types", "Task type")):
        total: Counter[str] = Counter()
        for split in splits.values():
            total.update(split[kind])
        names = sorted(total, key=lambda name: (-total[name], name))[:MOST]
        groups = []
        for number, (split, counts) in enumerate(splits.items()):
            pairs = sum(counts[kind].values())
            shares = tuple(100 * counts[kind].get(name, 0) / pairs if pairs else 0 for name in names)
            groups.append((f"{split} ({pairs:,} pairs)", COLOURS[number % len(COLOURS)], shares))
        made.append(Bars(title, tuple(names), tuple(groups), x_name="share of pairs, %"))
    return draw(made, columns=2, width_px=900, row_px=400, letters=10, legend=True)


def grid_jpeg(pictures: Sequence[bytes]) -> bytes:
    """JPEG of encoded pictures, three a row, each fitted into a 320 x 180 cell; numbered by their order in the card."""
    from PIL import Image, ImageDraw, ImageOps

    rows = -(-len(pictures) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * CELL[0], rows * CELL[1]), "white")
    draw = ImageDraw.Draw(sheet)
    for number, data in enumerate(pictures):
        left, top = number % COLUMNS * CELL[0], number // COLUMNS * CELL[1]
        with Image.open(io.BytesIO(data)) as picture:
            fitted = ImageOps.contain(picture.convert("RGB"), (CELL[0] - 4, CELL[1] - 4))
        sheet.paste(fitted, (left + (CELL[0] - fitted.width) // 2, top + (CELL[1] - fitted.height) // 2))
        draw.rectangle((left + 4, top + 4, left + 24, top + 20), fill="black")
        draw.text((left + 8, top + 6), str(number + 1), fill="white")
    out = io.BytesIO()
    sheet.save(out, "JPEG", quality=85)
    return out.getvalue()
