"""The page: every section, the same bytes, nothing fetched, hostile texts stay text."""

import base64
import hashlib
import json
import re

import pytest

from curation.report.build import build_report
from curation.report.samples import LONGEST_TEXT, clipped
from curation.report.thumbnails import Thumbnails
from pages.page import policy, visible
from tests.curation.report.spoiled import EVIL, FACTS, spoil
from tests.pages.markup import Markup


def test_every_section_is_there_and_the_numbers_are_the_funnel(shared_collection, page):
    found = page(shared_collection)
    ids = [attributes["id"] for tag, attributes in found.tags if tag == "section"]
    assert ids == ["funnel", *(stage["stage"] for stage in found.built["funnel"]), "ledger", "made"]
    for stage in found.built["funnel"]:
        assert f"{stage['rows_in']:,}" in found.text
        assert all(reason in found.text for reason in stage["reasons"])
    assert "91.5\u00a0%" in found.html and "146,440 of 160,000 pairs" in found.text
    assert "No image is in both train and bench." in found.text
    assert found.built["size_bytes"] == len(found.html.encode())
    assert found.built["sha256"] == hashlib.sha256(found.html.encode()).hexdigest()


def test_nothing_is_fetched_and_only_our_script_may_run(shared_collection, page):
    found = page(shared_collection)
    for tag, attributes in found.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        assert not any(name.startswith("on") or name == "style" for name in attributes), (tag, attributes)
        for name in ("src", "href", "action", "srcset", "xlink:href"):
            assert attributes.get(name, "#").startswith(("#", "data:image/jpeg;base64,"))
    rule = next(
        attributes["content"]
        for tag, attributes in found.tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    digest = base64.b64encode(hashlib.sha256(found.scripts[1].encode()).digest()).decode()
    assert rule.startswith("default-src 'none'") and f"script-src 'sha256-{digest}'" in rule and "unsafe" not in rule
    style = re.search(r"<style>(.*?)</style>", found.html, re.DOTALL)[1]
    assert policy(style, found.scripts[1]) == rule
    assert "@import" not in style and "url(" not in style


def test_every_picture_says_what_it_shows_and_every_table_has_a_caption(shared_collection, page):
    found = page(shared_collection)
    pictures = [attributes for tag, attributes in found.tags if tag == "img" and "src" in attributes]
    assert len(pictures) == found.built["pictures"] > 20
    assert all(len(attributes["alt"]) > 10 and attributes["loading"] == "lazy" for attributes in pictures)
    tables, captions = (sum(tag == name for tag, _ in found.tags) for name in ("table", "caption"))
    assert tables == captions > 5
    assert [tag for tag, _ in found.tags if tag == "h1"] == ["h1"]


@pytest.mark.slow
def test_the_same_input_gives_the_same_bytes_whatever_the_order_of_shards(shared_collection, page):
    tables = shared_collection.tables()
    backwards = {stage: list(reversed(paths)) for stage, paths in reversed(tables.items())}
    assert page(shared_collection).html == page(shared_collection, tables=backwards).html


def test_hostile_texts_stay_text(new_collection, page):
    collection = new_collection(clips=4)
    spoil(collection, EVIL)
    found = page(collection, facts=FACTS | {"collection": EVIL, "version": EVIL, "source": EVIL, EVIL: {EVIL: EVIL}})
    assert len(found.scripts) == 2
    assert json.loads(found.scripts[0])["laplacian_var"]["low"] == 12.0
    assert not any(name.startswith("on") for _, attributes in found.tags for name in attributes)
    assert found.html.count("<script") == 2 and "<img src=x" not in found.html
    assert "alert(1)" not in found.scripts[1]
    assert EVIL.split()[0] in found.text


def test_names_cannot_hide_or_turn_around(new_collection, page):
    collection = new_collection(clips=1)
    row = next(row for row in collection.rows["clips"][1] if row["status"] == "rejected")
    row["path"] = "holiday\u202egpj.mp4\x1b[31m\x00"
    found = page(collection, facts=FACTS | {"source": "folder \udcff"})
    assert "holiday[U+202E]gpj.mp4[U+001B][31m[U+0000]" in found.text
    assert "folder [U+DCFF]" in found.text
    assert visible("plain \u00e9 \u4e2d \U0001f600\n") == "plain \u00e9 \u4e2d \U0001f600\n"


def test_a_very_long_text_is_cut_and_says_so():
    text = clipped("x" * 10_000)
    assert len(text) < LONGEST_TEXT + 50 and "8,500 more characters" in text
    assert clipped(None) == ""


def test_a_picture_outside_the_root_absent_or_broken_is_told_not_shown(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret.jpg").write_bytes(b"x")
    (root / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a picture")
    (root / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    thumbnails = Thumbnails(root)
    for name in ("../secret.jpg", "/etc/passwd", "link.jpg", "gone.jpg", "broken.jpg", "nul\0.jpg", "."):
        uri, why = thumbnails.uri(name)
        assert uri == "" and why.startswith("no picture: "), name
    assert thumbnails.uri("") == ("", "it has no picture")
    assert (thumbnails.shown, thumbnails.missing) == (0, 7)


def test_a_report_without_its_images_is_still_a_report(shared_collection, page, tmp_path):
    out = tmp_path / "other.html"
    built = build_report(shared_collection.tables(), tmp_path / "nowhere", out, FACTS)
    assert built["pictures"] == 0 and built["pictures_missing"] > 20
    assert "no picture: FileNotFoundError" in Markup(out.read_text()).text
