"""PickScore of a run from its pickscore.jsonl, with the interval over samples."""

import numpy as np

from evaluation.preference.pickscore_file import PICKSCORES, PickScored
from evaluation.records import read_lines
from evaluation.scoring.judged_run import Incomplete, Run
from evaluation.scoring.score_file import PickScores, estimate
from models.pickscore import SCALE
from stats.bootstrap import resampled_means, spread

METHOD = "bootstrap over samples"


def pickscores_of(run: Run) -> PickScores | None:
    """The mean over the run's videos; None when PickScore was not asked for or was left out.

    Raises what `pickscore_table` raises.
    """
    found = pickscore_table(run)
    if found is None:
        return None
    table, model, prompt, frames = found
    valid = ~np.isnan(table)
    drawn = resampled_means(np.where(valid, table, 0).sum(axis=1)[:, None], valid.sum(axis=1)[:, None])[:, 0]
    mean, (low, high) = float(table[valid].mean()) if valid.any() else float("nan"), spread(drawn)
    return PickScores(
        videos=int(valid.sum()),
        model=model,
        prompt=prompt,
        frames=frames,
        raw=estimate(mean, low, high, METHOD),
        scaled=estimate(mean / SCALE, low / SCALE, high / SCALE, METHOD),
    )


def pickscore_table(run: Run) -> tuple[np.ndarray, str, str, int] | None:
    """(raw float64 [N, K], NaN where it failed; model; prompt; frames a video), or None without the file.

    Raises Incomplete when videos lack, ValueError when the file is of other videos or mixes models or settings.
    """
    path = run.folder / PICKSCORES
    if not path.is_file():
        return None
    places = {str(video_id): place for place, video_id in np.ndenumerate(run.video_ids)}
    table = np.full(run.video_ids.shape, np.nan)
    seen, settings = set(), set()
    for one in read_lines(path, PickScored):
        if one.sample_id in run.left_out:
            continue
        if one.video_id not in places:
            raise ValueError(f"{path}: {one.video_id!r} is not a video of the run: compute PickScore again")
        place = places[one.video_id]
        if one.video_id in seen:
            continue
        seen.add(one.video_id)
        settings.add((one.model, one.prompt, one.wanted))
        if not one.failure:
            if one.video_sha256 != run.video_sha256[place] or one.raw is None or not np.isfinite(one.raw):
                raise ValueError(f"{path}: the score {one.raw} of {one.video_id!r} is not of the manifest's video")
            table[place] = one.raw
    missing = sorted(places.keys() - seen)
    if missing:
        raise Incomplete(f"{path} lacks {len(missing)} of {len(places)} videos, {missing[0]!r} first: score it again")
    if len(settings) > 1:
        raise ValueError(f"{path} mixes models or settings: {sorted(settings)}")
    return table, *settings.pop()
