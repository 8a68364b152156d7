"""What the stage `quality` shows of itself in the UI."""

from collections.abc import Sequence
from pathlib import Path

from curation.drawing import histogram_png
from curation.quality.options import QualityOptions
from storage.tables import read_rows


def pictures(tables: Sequence[Path], options: QualityOptions) -> dict[str, bytes]:
    """Sharpness and brightness with their limits, by file name."""
    rows = [row for table in tables for row in read_rows(table, ["laplacian_var", "mean_luma"])]
    sharpness = [row["laplacian_var"] for row in rows if row["laplacian_var"] is not None]
    luma = [row["mean_luma"] for row in rows if row["mean_luma"] is not None]
    blurred, limits = [options.min_laplacian_var], [options.min_mean_luma, options.max_mean_luma]
    return {
        "laplacian_var.png": histogram_png(sharpness, blurred, "Variance of the Laplacian", "luma squared"),
        "mean_luma.png": histogram_png(luma, limits, "Mean luma", "0 to 255"),
    }
