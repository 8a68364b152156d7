"""Media as the content of a chat message: the same layout for every backend that takes stills."""

import base64
from collections.abc import Sequence
from typing import Any

from media.pictures import check_size, mime_type, plain
from models.vlm.protocol import Image, Media, Video


def data_url(data: bytes) -> str:
    """The image within a URL, so that no server has to read a file or fetch anything. It is `plain`."""
    check_size(data)
    data = plain(data)
    return f"data:{mime_type(data)};base64,{base64.b64encode(data).decode('ascii')}"


def frame_label(index: int, time_s: float) -> str:
    """The line before a video's frame. The first is marked, because it is what a generated video was started from."""
    return f"Video frame at {time_s:.2f} s{' (first frame)' if index == 0 else ''}:"


def content_parts(text: str, media: Sequence[Media]) -> list[dict[str, Any]]:
    """The content of a user message in the chat completions protocol: media in their order, then the text.

    A video is its frames, each after a line with its time: servers differ in whether and how they take video files.
    """
    parts: list[dict[str, Any]] = []
    for medium in media:
        match medium:
            case Image(data=data):
                parts.append({"type": "image_url", "image_url": {"url": data_url(data)}})
            case Video(frames=frames, times_s=times_s):
                for index, (data, time_s) in enumerate(zip(frames, times_s, strict=True)):
                    parts.append({"type": "text", "text": frame_label(index, time_s)})
                    parts.append({"type": "image_url", "image_url": {"url": data_url(data)}})
    return [*parts, {"type": "text", "text": text}]
