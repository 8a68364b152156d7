"""Charts of a reproduction as PNG: those of the evaluation report's ablations. The same input, the same bytes."""

from collections.abc import Mapping
from typing import Any

from evaluation.report.ablations import ablations
from evaluation.report.reproduction import Reproduction
from pages.charts import Dots
from pages.png import draw

WIDTH_PX, ROW_PX, DOTS_PX = 960, 300, 24  # a picture, a row of charts, a row of dots
NOTE = "Solid: these runs, with 95 % bands. Dashed: the paper, with another model, other tasks and another judge."
DOTS_NOTE = "Marks: mean of seeds with its 95 % interval; ticks: single seeds."


def charts(found: Reproduction, usual: Mapping[str, Any]) -> dict[str, bytes]:
    """File name -> PNG, of all charts that the runs so far give something to show in.

    `usual`: options of wmsd as it is, by dotted names.
    """
    drawn = {}
    for name, shown in ablations(found, usual).pictures.items():
        if not shown:
            continue
        rows = max((len(one.rows) for one in shown if isinstance(one, Dots)), default=0)
        height, note = (90 + DOTS_PX * rows, DOTS_NOTE) if rows else (ROW_PX, NOTE)
        columns = min(len(shown), 3)
        drawn[f"{name}.png"] = draw(
            shown, columns=columns, width_px=WIDTH_PX, row_px=height, letters=8, note=note, legend=True
        )
    return drawn
