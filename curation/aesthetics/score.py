"""Scores, ranks and cuts the frames that passed the low-level filter."""

import math
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np

from curation.aesthetics.colorfulness import Colorfulness
from curation.aesthetics.combine import (
    Reference,
    combined,
    exposure,
    kept_count,
    knots,
    mid_rank,
    options_hash,
)
from curation.aesthetics.options import AestheticsOptions
from curation.aesthetics.stage import STAGE
from curation.frame_files import read_frame
from curation.schemas import MEASURED
from storage.tables import KEPT, REJECTED, chunks


class Scorer(Protocol):
    """What scores pictures. `name` identifies it, weights included, and is kept in every row."""

    name: str

    def score(self, images: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray | None]:
        """(scores float64 [N], L2-normalised embeddings float32 [N, D] or None) of encoded images; NaN: unreadable."""
        ...


def make_scorer(options: AestheticsOptions) -> Scorer:
    """The scorer that the options name. Raises what models.clip.ClipAesthetics raises for its weights."""
    if options.scorer == "clip":
        return _clip(options.clip_weights, options.head_weights, options.batch_size)
    return Colorfulness()


@lru_cache(maxsize=1)
def _clip(clip_weights: str, head_weights: str, batch_size: int) -> Scorer:
    """Read once a process, not once a shard: these are 1.7 GB."""
    from models.clip import ClipAesthetics

    return ClipAesthetics(clip_weights, head_weights, batch_size=batch_size)


def score_frames(
    rows: list[dict], images_root: Path, options: AestheticsOptions, cut_path: Path, scorer: Scorer | None = None
) -> list[dict]:
    """Scores frames and keeps the best share: rows of curation.schemas.AESTHETICS, sorted by frame_id.

    `rows` are kept rows of curation.schemas.QUALITY in any order, `image` relative to `images_root`. `cut_path` holds
    the shard's Reference. Where it is missing, was made by another scorer, with other options or by other rules, or
    `options.recut` is set, it is made from `rows` and says why; else it is used as it is, so that earlier verdicts
    stand when frames are added.
    Of the n scored frames of a new reference exactly ceil(keep_share * n) are kept, by (score, frame_id) descending, so
    that fewer than ten lose none at the default share. Without a scored frame no reference is made.

    Rejected rows are below_cut, or unreadable_image when the scorer cannot decode the file. Raises what `read_frame`
    raises, and ValueError for a frame_id given twice and for a damaged file at `cut_path`. `scorer` replaces the one
    that the options name.
    """
    twice = [frame_id for frame_id, count in Counter(row["frame_id"] for row in rows).items() if count > 1]
    if twice:
        raise ValueError(f"frame_id {min(twice)!r} is given twice: one row a frame is expected")
    stored = Reference.load(cut_path)
    if not rows:
        return []
    scorer = scorer or make_scorer(options)
    rows = sorted(rows, key=lambda row: row["frame_id"])
    outcomes = [
        outcome for chunk in chunks(rows, options.batch_size) for outcome in _score_chunk(chunk, images_root, scorer)
    ]
    scored = [(row, outcome[0]) for row, outcome in zip(rows, outcomes, strict=True) if not outcome[2]]
    reference = _settled(stored, scored, scorer.name, options)
    if reference is not stored:
        reference.save(cut_path)
    return [
        _judged(row, *outcome, reference, scorer.name, options) for row, outcome in zip(rows, outcomes, strict=True)
    ]


def _score_chunk(rows: list[dict], images_root: Path, scorer: Scorer) -> list[tuple[float, array | None, str]]:
    """(aesthetic, embedding, "") of each row, or (NaN, None, why it has none)."""
    values, embeddings = scorer.score([read_frame(images_root, row) for row in rows])
    outcomes = []
    for i, value in enumerate(values.tolist()):
        if math.isnan(value):
            outcomes.append((math.nan, None, f"{rows[i]['image']!r} is no image that {scorer.name} reads"))
        else:
            # An array of floats is an eighth of a list of them, and a shard's rows are all in memory.
            outcomes.append((value, None if embeddings is None else array("f", embeddings[i].tobytes()), ""))
    return outcomes


def _settled(
    stored: Reference | None, scored: list[tuple[dict, float]], scorer: str, options: AestheticsOptions
) -> Reference | None:
    """The stored reference where it still holds, else a new one from `scored` (the stored one when that is empty)."""
    chosen = options_hash(options.model_dump(include={"keep_share", "weights"}))
    if stored is None:
        why = "first"
    elif options.recut:
        why = "recut"
    elif stored.scorer != scorer:
        why = "scorer changed"
    elif stored.options_hash != chosen:
        why = "options changed"
    elif stored.rules != STAGE.version:
        why = "rules changed"
    else:
        return stored
    if not scored:
        return stored
    reference = Reference(
        scorer=scorer,
        options_hash=chosen,
        population=len(scored),
        kept=kept_count(len(scored), options.keep_share),
        why=why,
        aesthetic=knots([aesthetic for _, aesthetic in scored]),
        laplacian_var=knots([row["laplacian_var"] for row, _ in scored]),
        rules=STAGE.version,
    )
    ranking = sorted(
        (_ranks(row, aesthetic, reference, options)["score"], row["frame_id"]) for row, aesthetic in scored
    )
    cut_score, cut_id = ranking[-reference.kept]
    return replace(reference, cut_score=cut_score, cut_id=cut_id)


def _ranks(row: dict, aesthetic: float, reference: Reference, options: AestheticsOptions) -> dict[str, float]:
    aesthetic_rank = mid_rank(aesthetic, reference.aesthetic)
    sharpness_rank = mid_rank(row["laplacian_var"], reference.laplacian_var)
    exposed = exposure(row["mean_luma"], row["black_ratio"], row["white_ratio"])
    return {
        "aesthetic_rank": aesthetic_rank,
        "sharpness_rank": sharpness_rank,
        "exposure": exposed,
        "score": combined(aesthetic_rank, sharpness_rank, exposed, options.weights),
    }


def _judged(
    row: dict,
    aesthetic: float,
    embedding: array | None,
    problem: str,
    reference: Reference | None,
    scorer: str,
    options: AestheticsOptions,
) -> dict:
    judged = {name: row[name] for name, _ in MEASURED}
    judged |= {"scorer": scorer, "embedding": embedding, "cut_score": reference and reference.cut_score}
    if problem:
        unscored = dict.fromkeys(("aesthetic", "aesthetic_rank", "sharpness_rank", "exposure", "score"))
        return judged | unscored | {"status": REJECTED, "reason": "unreadable_image", "detail": problem}
    judged |= {"aesthetic": aesthetic, **_ranks(row, aesthetic, reference, options)}
    if reference.keeps(judged["score"], row["frame_id"]):
        return judged | {"status": KEPT, "reason": "", "detail": ""}
    sign = "<" if judged["score"] < reference.cut_score else "="
    detail = f"score {judged['score']:.6g} {sign} {reference.cut_score:.6g}, the cut at {reference.cut_id}"
    return judged | {"status": REJECTED, "reason": "below_cut", "detail": detail}
