"""The card's pictures: the taxonomy as a chart, and a grid of samples. The same input gives the same bytes."""

import io
from collections.abc import Mapping, Sequence

CELL = (320, 180)  # pixels of one picture of the grid
COLUMNS = 3


def taxonomy_png(splits: Mapping[str, Mapping[str, Mapping[str, int]]]) -> bytes:
    """PNG of two bar charts, agent categories and task types, as shares of each split.

    `splits`: {split: {"agent_categories" | "task_types": {name: pairs}}}. Names are drawn as they are: no markup.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.2), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    kinds = (("agent_categories", "Addressed agent"), ("task_types", "Task type"))
    for axes, (kind, title) in zip(figure.subplots(1, 2), kinds, strict=True):
        total = {name: 0 for split in splits.values() for name in split[kind]}
        for split in splits.values():
            for name, count in split[kind].items():
                total[name] += count
        names = sorted(total, key=lambda name: (total[name], name))[-12:]
        height = 0.8 / max(len(splits), 1)
        for number, (split, counts) in enumerate(splits.items()):
            pairs = sum(counts[kind].values())
            shares = [100 * counts[kind].get(name, 0) / pairs if pairs else 0 for name in names]
            places = [row + height * (0.5 * (len(splits) - 1) - number) for row in range(len(names))]
            axes.barh(
                places, shares, height, label=f"{split} ({pairs:,} pairs)", color=("#33658a", "#f6ae2d")[number % 2]
            )
        axes.set_yticks(range(len(names)), [name[:24] for name in names], parse_math=False)
        axes.set_xlabel("share of pairs, %")
        axes.set_title(title)
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=len(splits), frameon=False)
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


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
