"""Video files written once a test run; see media_fixtures.py."""

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av.codec
import pytest

from tests.media import media_fixtures as make
from tests.media.web import Web, quickly


def has_encoder(name: str) -> bool:
    try:
        av.codec.Codec(name, "w")
    except av.codec.codec.UnknownCodecError:
        return False
    return True


@pytest.fixture(scope="session")
def clips(tmp_path_factory) -> dict[str, Path]:
    """Good files, by the property that makes each one hard."""
    folder = tmp_path_factory.mktemp("clips")

    def video(name: str, **options) -> Path:
        return make.write_video(folder / name, **options)

    pyramid = {"bf": "3", "b-pyramid": "normal", "refs": "4"}
    vfr = [0, 1, 2, 7, 8, 30, 31, 90, 91, 200]
    files = {
        "plain": video("plain.mp4", options=pyramid),
        "one_keyframe": video("one_keyframe.mp4", gop=1000, options=pyramid),
        "open_gop": video("open_gop.mkv", options={"bf": "3", "x264-params": "open-gop=1:keyint=12:bframes=3"}),
        "all_intra": video("all_intra.mp4", gop=1, frames=12),
        "one_frame": video("one_frame.mp4", frames=1),
        "vfr": video("vfr.mp4", frames=10, pts=lambda i: vfr[i], time_base=Fraction(1, 90)),
        "ten_bit": video("ten_bit.mp4", pix_fmt="yuv420p10le"),
        "rotated": video("rotated.mp4", frames=6, rotation=90),
        "wide_pixels": video("wide_pixels.mp4", frames=6, pixel_aspect=Fraction(4, 3)),
        "named": video('clip "quoted" <script> \u00fcn\u00ef \u96ea.mp4', frames=6),
        "transport_stream": video("stream.ts", options=pyramid),
        "mpeg4_avi": video("old.avi", codec="mpeg4", options={"bf": "0"}),
        "vp9": video("vp9.webm", codec="libvpx-vp9", frames=12, options={"cpu-used": "8"}),
    }
    hidden = make.remux(files["plain"], folder / "edit_list.mp4", shift=-5 * 512)
    late = make.remux(files["plain"], folder / "late.mp4", shift=10 * 12288)
    files |= {"edit_list": hidden, "late_start": late}
    if has_encoder("libx265"):
        quiet = "log-level=none:keyint=12:bframes=4:b-pyramid=1:pools=1:frame-threads=1"
        files["hevc"] = video("hevc.mp4", codec="libx265", options={"x265-params": quiet})
        files["hevc_open_gop"] = video("open.mkv", codec="libx265", options={"x265-params": quiet + ":open-gop=1"})
    return files


@pytest.fixture(scope="session")
def bad_files(clips, tmp_path_factory) -> dict[str, Path]:
    """Files that give no frame, by the reason that they must get."""
    folder = tmp_path_factory.mktemp("bad")
    empty, text, playlist = folder / "empty.mp4", folder / "text.mp4", folder / "playlist.mp4"
    empty.touch()
    text.write_text("This is a letter, not a film.\n" * 200)
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{clips['plain']}\n#EXT-X-ENDLIST\n")
    front = make.remux(clips["plain"], folder / "front.mp4", container_options={"movflags": "faststart"})
    files = {
        "absent_file": folder / "nowhere.mp4",
        "not_a_file": folder,
        "empty_file": empty,
        "not_a_video": text,
        "not_a_video, playlist": playlist,
        "no_moov": make.cut(clips["plain"], folder / "no_moov.mp4", 0.6),
        "truncated": make.cut(front, folder / "truncated.mp4", 0.7),
        "truncated, in moov": make.cut(front, folder / "moov.mp4", 0.05),
        "no_video_stream": make.write_audio_only(folder / "audio.mp4"),
        "no_keyframes": make.remux(
            clips["transport_stream"], folder / "no_keys.ts", keep=lambda packet: not packet.is_keyframe
        ),
    }
    if os.geteuid():  # root reads everything
        files["unreadable"] = make.cut(clips["plain"], folder / "secret.mp4", 1.0)
        files["unreadable"].chmod(0)
    return files


@pytest.fixture
def web(tmp_path, monkeypatch) -> Iterator[Web]:
    """A web server of the test's folder."""
    with quickly(tmp_path, monkeypatch) as found:
        yield found
