"""One file, nothing fetched, nothing executed that came from the data, the same bytes each time."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from curation.report.build import build_report
from curation.report.composition import word_counts
from curation.report.galleries import Caps
from curation.report.honesty import answered_by, kind_of
from curation.report.samples import LONGEST_TEXT, clipped, hamming
from curation.report.thumbnails import Thumbnails
from curation.schemas import TASKS
from pages.page import policy, visible
from storage.tables import write_table

EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'></script></title></style><!--"
FACTS = {
    "collection": "trial",
    "version": "1.0",
    "source": "folder",
    "vlm": "scripted-test",
    "seconds": {"quality": 2.5},
}
VOID = {"meta", "img", "input", "br", "hr", "link"}


class Page(HTMLParser):
    """Tags with their attributes, the page's text and its scripts; complains of tags that do not nest."""

    def __init__(self, html: str):
        super().__init__()
        self.tags, self.words, self.scripts, self.open = [], [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")
        if tag not in VOID and not self.get_starttag_text().endswith("/>"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing at {self.getpos()}"

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data
        elif not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def page(tmp_path):
    """Builds the report of a collection and parses it; the result of build_report is `.built`, the text `.html`."""

    def make(collection, facts=FACTS, tables=None, **options) -> Page:
        out = tmp_path / "report.html"
        built = build_report(collection.tables() if tables is None else tables, collection.root, out, facts, **options)
        html = out.read_text(encoding="utf-8")
        parsed = Page(html)
        parsed.built, parsed.html = built, html
        return parsed

    return make


def spoil(collection, text: str) -> None:
    """Puts `text` into every free text of every row that the report shows, ids included."""
    for stage, shards in collection.rows.items():
        for row in (row for shard in shards for row in shard):
            for name in (
                "path",
                "task",
                "solution",
                "detail",
                "vlm",
                "prompt_hash",
                "mode",
                "agent_category",
                "task_type",
                "codec",
            ):
                if name in row:
                    row[name] = text
            if row["status"] == "rejected":
                row["reason"] = f"{text} duplicate" if stage == "worldtasks" else text


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
    assert thumbnails.uri("") == ("", "there is no picture of it")
    assert (thumbnails.shown, thumbnails.missing) == (0, 7)


def test_a_report_without_its_images_is_still_a_report(shared_collection, page, tmp_path):
    out = tmp_path / "other.html"
    built = build_report(shared_collection.tables(), tmp_path / "nowhere", out, FACTS)
    assert built["pictures"] == 0 and built["pictures_missing"] > 20
    assert "no picture: FileNotFoundError" in Page(out.read_text()).text


def test_the_page_stays_below_its_budget_and_says_what_it_left_out(shared_collection, page):
    found = page(shared_collection, budget=60_000)
    assert found.built["pictures_left_out"] > 0 and found.built["size_bytes"] < 60_000 + 200_000
    assert f"{found.built['pictures_left_out']} left out to keep the page small" in found.text


def test_caps_bound_what_is_shown_and_the_counts_tell_the_rest(shared_collection, page):
    found = page(shared_collection, caps=Caps(per_reason=2, reasons=1, clips=1, sample_frames=2, duplicates=1))
    assert "2 of 32 shown" in found.text
    assert "listed" in found.text and "1 of 2 listed" in found.text
    assert sum(tag == "article" for tag, _ in found.tags) == 2
    assert sum(attributes.get("class") == "twins" for tag, attributes in found.tags if tag == "figure") == 1


def test_dropped_pairs_are_struck_and_named(shared_collection, page):
    found = page(shared_collection)
    assert "dropped: too_long 120 words > 90" in found.text
    assert "<s>[Red disc]" in found.html


def test_near_duplicates_stand_side_by_side_with_their_distance(shared_collection, page):
    found = page(shared_collection)
    assert re.search(r"\d+ of 64 hash bits differ", found.text)
    assert hamming("0f", "00") == 4 and hamming("", "00") is None and hamming(None, "x") is None


def test_an_image_removed_on_request_is_shown_nowhere(new_collection, page):
    collection = new_collection(clips=2)
    before = page(collection).built["pictures"]
    for shard in collection.rows["worldtasks"]:
        for row in shard:
            row.update(status="rejected", reason="removed_on_request", detail="", split="")
    found = page(collection)
    assert found.built["pictures"] < before and "removed on request" in found.text
    left = {row["frame_id"] for shard in collection.rows["worldtasks"] for row in shard}
    shown = [attributes["alt"] for tag, attributes in found.tags if tag == "img" and "src" in attributes]
    assert not [alt for alt in shown if any(frame_id in alt for frame_id in left)]


def test_pixels_that_may_not_be_redistributed_come_with_a_warning(new_collection, page, shared_collection):
    assert "Do not pass this page on" not in page(shared_collection).text
    collection = new_collection(clips=2)
    collection.rows["clips"][0][0]["redistributable"] = False
    assert "Do not pass this page on: the pixels of 1 of its clips" in page(collection).text


def test_a_leak_between_the_splits_is_shouted(new_collection, page):
    collection = new_collection(clips=2)
    rows = [row for row in collection.rows["worldtasks"][1] if row["status"] == "kept"]
    rows[0]["split"] = "bench"
    assert "Leak: 1 images are in both train and bench" in page(collection).text


@pytest.mark.parametrize("stages", [(), ("clips",), ("clips", "frames", "quality"), ("worldtasks",)])
def test_a_chain_that_has_not_run_to_its_end_has_a_report(shared_collection, page, stages):
    tables = {stage: paths for stage, paths in shared_collection.tables().items() if stage in stages}
    found = page(shared_collection, tables=tables, facts={})
    assert "Without a table yet" in found.text
    assert "No model has answered yet" in found.text


def test_empty_tables_have_a_report(new_collection, page):
    collection = new_collection(clips=1)
    collection.rows = {stage: [[], []] for stage in collection.rows}
    assert "0 of 0 clips kept" in page(collection).text


def test_the_page_says_who_answered_from_the_rows_not_from_the_configuration(shared_collection, page):
    found = page(shared_collection, facts=FACTS | {"vlm": "a-great-model"})
    assert "Answered by a scripted program, not a language model : scripted-test" in found.text
    bill = {"tasks": {"models": ["tiny-random-qwen", "org/Real-27B"]}, "total": {}}
    assert [answer.kind for answer in answered_by(bill, {})] == ["model", "tiny"]
    assert [answer.kind for answer in answered_by(bill, {"vlm": "org/Real-27B", "vlm_kind": "tiny"})] == [
        "tiny",
        "tiny",
    ]
    with pytest.raises(ValueError, match=r"vlm_kind.*'best'.*scripted"):
        answered_by(bill, {"vlm_kind": "best"})
    assert kind_of("microworld-v1") == "scripted"


def test_a_failed_build_leaves_the_last_report(shared_collection, tmp_path):
    out = tmp_path / "report.html"
    out.write_text("the last good one")
    with pytest.raises(ValueError):
        build_report({"nonsense": shared_collection.tables()["clips"]}, shared_collection.root, out, FACTS)
    assert out.read_text() == "the last good one" and list(tmp_path.iterdir()) == [out]


def test_words_are_counted_as_python_counts_them(tmp_path, make_row):
    texts = ["", "  ", "one", " two  words\nhere ", None, "x " * 500]
    rows = [make_row(TASKS, frame_id=f"c_{index:08d}", task=text, solution="") for index, text in enumerate(texts)]
    write_table(tmp_path / "a.parquet", rows, TASKS, {})
    found = word_counts([tmp_path / "a.parquet"])["task"]
    edges, (kept, dropped) = found.edges, (counts for _, counts in found.parts)
    expected = np.histogram([min(len((text or "").split()), edges[-1]) for text in texts], edges)[0]
    assert kept.tolist() == expected.tolist() and dropped.sum() == 0


def test_a_source_given_as_a_configuration_block_reads_as_words(shared_collection, page):
    found = page(shared_collection, facts=FACTS | {"source": {"kind": "microworld", "seed": 7, "clips": 40}})
    assert "Source: microworld (clips 40, seed 7)." in found.text.replace(" .", ".")
