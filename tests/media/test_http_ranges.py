"""What a web server may answer, and where it may send: a wrong answer is a reason, and no other door opens."""

import io
import urllib.request

import pytest

import media.http_ranges
from media.probe import probe
from media.remote import RemotePath
from tests.media import media_fixtures as make
from tests.media.web import reason


def test_a_part_that_comes_too_slowly_is_given_up(web, tmp_path, monkeypatch):
    make.write_video(tmp_path / "x.mp4")
    monkeypatch.setattr(media.http_ranges, "PART_S", -1)  # any time is too long
    found, detail = reason(lambda: probe(RemotePath(f"{web.url}/x.mp4")))
    assert found == "unreachable" and "TimeoutError, 3 times" in detail


@pytest.mark.parametrize("host", ["a..b", "a" * 64 + ".com", "\u00fc" * 64, "\uff11\uff12\uff17.0.0.1"])
def test_a_host_that_cannot_be_one_is_a_reason(host):
    found, detail = reason(lambda: RemotePath(f"https://{host}/x.mp4?secret").stat())
    assert found == "unreachable" and "secret" not in detail


def test_a_size_beyond_all_files_is_no_answer():
    assert media.http_ranges.CONTENT_RANGE.fullmatch(f"bytes 0-0/{10**17}")
    assert not any(media.http_ranges.CONTENT_RANGE.fullmatch(f"bytes 0-0/{'9' * digits}") for digits in (19, 5000))


@pytest.mark.parametrize(
    "address",
    [
        *("file:///etc/hostname", "ftp://127.0.0.1/x", "data:,x", "//127.0.0.1:1/x", "gopher://x/"),
        *("http://[::1/x", "http://a..b/x"),
    ],
)
def test_a_redirect_leads_to_the_web_or_nowhere(web, address):
    web.fault = lambda name, start: address
    assert reason(lambda: probe(RemotePath(f"{web.url}/x.mp4")))[0] in ("refused", "unreachable")


def test_a_redirect_within_the_web_is_followed_with_its_range_and_https_stays_https(web, tmp_path):
    local = make.write_video(tmp_path / "there.mp4")
    web.fault = lambda name, start: f"{web.url}/there.mp4" if name == "x.mp4" else None
    assert probe(RemotePath(f"{web.url}/x.mp4")) == probe(local)
    request = urllib.request.Request("https://host/x")
    found, detail = reason(
        lambda: media.http_ranges.Redirects().redirect_request(request, io.BytesIO(), 302, "", {}, "http://host/y")
    )
    assert found == "refused" and "not https://" in detail
