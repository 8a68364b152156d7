"""Splits: the source's own, else by hash; a source scene is never on both sides."""

from hypothesis import given
from hypothesis import strategies as st

from robots.recorded import Entry
from robots.splits import hashed_split, leaks, splits

SCENES = st.sampled_from(["", "kitchen", "lab", "table"])
OWN = st.sampled_from(["", "train", "val"])


@st.composite
def entries(draw, own=OWN):
    names = draw(st.lists(st.text(min_size=1, max_size=8), unique=True, max_size=12))
    return [Entry(name, draw(own), draw(SCENES)) for name in names]


def sides(listed, split_of, left_out):
    trained = {e.scene for e in listed if split_of[e.episode_id] == "train" and e.episode_id not in left_out}
    held_out = {e.scene for e in listed if split_of[e.episode_id] == "val"}
    return trained - {""}, held_out - {""}


@given(entries(), st.floats(0, 0.99))
def test_no_scene_is_on_both_sides_once_leaks_are_refused(listed, share):
    split_of = splits(listed, share)
    assert split_of.keys() == {e.episode_id for e in listed}
    left_out = leaks(listed, split_of)
    trained, held_out = sides(listed, split_of, left_out)
    assert not trained & held_out
    assert all(split_of[name] == "train" for name in left_out)


@given(entries(own=st.just("")), st.floats(0, 0.99))
def test_by_hash_nothing_has_to_be_refused(listed, share):
    assert not leaks(listed, splits(listed, share))


@given(entries())
def test_the_sources_own_split_counts_where_it_holds_something_out(listed):
    if any(e.split == "val" for e in listed):
        assert {e.episode_id: e.split or "train" for e in listed} == splits(listed, 0.5)


@given(entries(own=st.just("")), entries(own=st.just("")))
def test_an_episodes_side_depends_on_nothing_else(some, others):
    names = {e.episode_id for e in some}
    more = some + [e for e in others if e.episode_id not in names]
    few, many = splits(some, 0.3), splits(more, 0.3)
    assert few == {name: many[name] for name in names}


def test_the_share_is_about_what_is_asked_for_and_a_larger_one_only_adds():
    names = [f"episode_{i:06d}" for i in range(4000)]
    tenth, third = ({n for n in names if hashed_split(n, share) == "val"} for share in (0.1, 1 / 3))
    assert 0.08 < len(tenth) / len(names) < 0.12
    assert tenth < third
    assert not {n for n in names if hashed_split(n, 0.0) == "val"}


def test_hashes_are_the_same_for_ever():
    assert [hashed_split(str(i), 0.5) for i in range(8)] == [
        *["val", "val", "train", "val"],
        *["val", "train", "train", "val"],
    ]
