"""Which files of a folder are looked at: by their name, and where the name says nothing, by how they begin."""

from pathlib import Path

# Containers that media/container.py opens, and bare bitstreams.
VIDEO_NAMES = """
    mp4 m4v mov qt mj2 3gp 3g2 f4v insv lrv mkv webm avi divx xvid mpg mpeg mpe mpv mp2v m1v m2v m2p vob vro mod tod
    ts tp trp m2t m2ts mts flv wmv asf wtv ogv ogg ogm ogx mxf gif nut rm rmvb dv dif swf ivf obu y4m
    h264 264 avc h265 265 hevc vc1
"""
# Names of other things. Such files are not opened.
OTHER_NAMES = """
    txt md rst csv tsv json jsonl yaml yml toml ini cfg conf xml html htm log pdf doc docx rtf nfo url srt vtt ass ssa
    sub idx lrc jpg jpeg png bmp webp tif tiff heic heif avif svg ico raw dng exr psd mp3 m4a m4b aac wav flac opus oga
    spx wma aif aiff mid ac3 dts mka weba zip tar gz bz2 xz zst 7z rar parquet arrow npy npz h5 hdf5 sqlite db pt pth
    ckpt safetensors onnx pkl py pyc sh js ipynb exe dll so lock md5 sha1 sha256 sum m3u m3u8 mpd sfv torrent
"""
VIDEO_SUFFIXES, OTHER_SUFFIXES = (
    frozenset(f".{name}" for name in names.split()) for names in (VIDEO_NAMES, OTHER_NAMES)
)
HEAD_BYTES = 400
BEGINNINGS = (
    b"\x1a\x45\xdf\xa3",  # Matroska, WebM
    b"\0\0\1\xba",  # MPEG program stream
    b"\0\0\1\xb3",  # MPEG-1 and MPEG-2 video
    b"FLV\1",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # ASF
    b"\x06\x0e\x2b\x34",  # MXF
    b"DKIF",  # IVF
    b".RMF",
    b"nut/multimedia",
    b"YUV4MPEG2",
)


def is_video_name(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES


def may_hold_video(path: Path) -> bool:
    """Whether a regular file whose suffix is no known one begins as a video does. Raises OSError."""
    if path.suffix.lower() in OTHER_SUFFIXES:
        return False
    with path.open("rb") as handle:
        return begins_as_video(handle.read(HEAD_BYTES))


def begins_as_video(head: bytes) -> bool:
    if head.startswith(BEGINNINGS) or (head[:4] == b"RIFF" and head[8:12] == b"AVI "):
        return True
    if head[4:8] == b"ftyp":
        return head[8:12] not in (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis", b"M4A ", b"M4B ", b"crx ")
    if head[4:8] in (b"moov", b"mdat", b"wide"):
        return True
    # Transport streams begin each packet with 0x47; Blu-ray's and AVCHD's have four bytes before it.
    return any(
        len(head) > at + 2 * step and {head[at + i * step] for i in range(3)} == {0x47}
        for at, step in ((0, 188), (4, 192))
    )
