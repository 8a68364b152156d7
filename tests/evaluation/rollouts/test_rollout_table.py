"""Evaluated sets are compared pair by pair, by number, and never across settings."""

import numpy as np
import pytest

from evaluation.rollouts.closed_loop import Start
from evaluation.rollouts.evaluate import copy_of_first, evaluate, reconstruction, shuffle
from evaluation.rollouts.options import NO_BACKBONE, MetricSettings
from evaluation.rollouts.records import RolloutRecord, RolloutSet, read_rollouts, write_rollouts
from evaluation.rollouts.table import NotComparable, compare, markdown, text
from storage.json_files import NotJson
from storage.options import InvalidOptions

VIEWS = ("external_1", "external_2", "wrist")


def made(name: str, psnr: np.ndarray, rows: int = 1, **more) -> RolloutSet:
    """A set of psnr float [rollouts, chunks, 3], `rows` starts an episode."""
    rollouts = [
        RolloutRecord(episode_id=str(n // rows), row=n % rows, scores={"psnr": one})
        for n, one in enumerate(psnr.tolist())
    ]
    return RolloutSet(name=name, views=VIEWS, rollouts=rollouts, **{"settings": {"chunks": psnr.shape[1]}, **more})


def test_wins_gains_and_curves_are_those_by_hand():
    rng = np.random.default_rng(0)
    theirs = rng.normal(20, 1, (10, 4, 3))
    ours = theirs + 1.5
    ours[0] -= 3  # one rollout of ten is lost in every view
    compared = compare(made("ours", ours), made("theirs", theirs[:], sampling={}))
    outside, wrist = compared.rows
    assert (outside.views, wrist.views) == ("external", "wrist")
    assert (outside.wins.won, outside.wins.lost, outside.wins.share) == (9, 1, 0.9)
    assert outside.wins.p_value == pytest.approx(2 * 11 / 2**10)  # (C(10,0) + C(10,1)) / 2^10, both sides
    assert outside.gain.mean == pytest.approx(1.2) and outside.gain.low < 1.2 < outside.gain.high
    assert outside.ours == pytest.approx(ours[:, :, :2].mean()) and wrist.ours == pytest.approx(ours[:, :, 2].mean())
    assert [one.mean for one in wrist.curve] == pytest.approx([1.2] * 4)


def test_lpips_is_better_when_it_is_less():
    less, more = made("a", np.full((3, 2, 3), 0.1)), made("b", np.full((3, 2, 3), 0.2))
    as_lpips = [
        RolloutSet(
            **{
                **one.model_dump(),
                "rollouts": [{**r.model_dump(), "scores": {"lpips": r.scores["psnr"]}} for r in one.rollouts],
            }
        )
        for one in (less, more)
    ]
    row = compare(*as_lpips).rows[0]
    assert row.gain.mean == pytest.approx(0.1) and row.wins.won == 3


def test_pairs_are_found_by_their_starts_not_by_their_order():
    values = np.arange(24.0).reshape(4, 2, 3)
    one = made("a", values)
    turned = one.model_copy(update={"rollouts": one.rollouts[::-1]})
    assert compare(one, turned).rows[0].wins.tied == 4


def test_what_was_made_under_other_settings_is_refused_by_name():
    values = np.zeros((2, 1, 3))
    one = made("a", values, settings={"chunks": 1, "metrics": {"ssim": {"kernel": 11}}})
    other = made("b", values, settings={"chunks": 1, "metrics": {"ssim": {"kernel": 7}}})
    with pytest.raises(NotComparable, match=r"a and b were made under other settings: metrics\.ssim\.kernel 11 and 7"):
        compare(one, other)
    with pytest.raises(NotComparable, match="steps 50 and 10"):
        compare(made("a", values, sampling={"steps": 50}), made("b", values, sampling={"steps": 10}))
    assert compare(made("a", values, sampling={"steps": 50}), made("copy", values)).rollouts == 2
    with pytest.raises(NotComparable, match="other starts: 1 are in one alone, as episode 2 from row 0"):
        compare(made("a", values), made("b", np.zeros((3, 1, 3))))


def test_a_set_is_written_and_read_again(tmp_path):
    values = np.random.default_rng(0).normal(size=(2, 3, 3))
    values[0, 1, 2] = np.nan
    one = made("a", np.where(np.isnan(values), None, values), notes=(NO_BACKBONE,))
    write_rollouts(tmp_path / "a.json", one)
    again = read_rollouts(tmp_path / "a.json")
    assert again == one and np.array_equal(again.curves("psnr"), values, equal_nan=True)
    (tmp_path / "b.json").write_text('{"format": 2, "rollouts": []}')
    with pytest.raises(NotJson, match="format 2 of rollouts is not known: 1 is read"):
        read_rollouts(tmp_path / "b.json")
    (tmp_path / "c.json").write_text('{"format": 1, "rollouts": []}')
    with pytest.raises(InvalidOptions, match=r"c\.json holds no evaluated rollouts"):
        read_rollouts(tmp_path / "c.json")


def test_a_model_and_the_rows_without_one_are_evaluated_on_the_same_frames(tiny_model, store, timing):
    starts, settings = [Start("a", 1), Start("b", 2)], MetricSettings()
    one = evaluate("tiny", tiny_model, store, starts, 2, timing, seed=0, steps=1, batch=2)
    copied = copy_of_first(store, starts, 2, timing)
    rebuilt = reconstruction(tiny_model, store, starts, 2, timing)
    shuffled = evaluate("shuffled", tiny_model, store, starts, 2, timing, seed=0, steps=1, batch=2, shuffled=True)
    assert {made.settings["metrics"]["ssim"]["kernel"] for made in (one, copied, rebuilt, shuffled)} == {11}
    assert one.identity == tiny_model.identity and one.sampling["decode_chunk"] == 2 and not copied.identity
    assert one.notes == (settings.off,) == (NO_BACKBONE,)
    frames = store.frames("a", timing.rows(1, 2)).astype(float)
    mse = ((frames[1:3] - frames[0]) ** 2).mean((2, 3, 4))
    assert copied.curves("psnr")[0, 0] == pytest.approx((10 * np.log10(255**2 / mse)).mean(0), abs=1e-5)
    for other in (copied, rebuilt, shuffled):
        compared = compare(one, other)
        assert compared.rollouts == 2 and len(compared.rows) == 4
        assert NO_BACKBONE in text(compared) and "Gain by chunk" in markdown(compared)


def test_shuffled_poses_are_of_another_episode():
    starts = [Start("a"), Start("a", 3), Start("b")]
    assert shuffle(starts) == [Start("b"), Start("b"), Start("a")]
    with pytest.raises(ValueError, match="all starts are of episode a"):
        shuffle(starts[:2])
