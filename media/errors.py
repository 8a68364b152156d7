"""Why a media file gave no result: the one error type of the media room."""


class MediaError(Exception):
    """A file, or one frame of it, that cannot be had.

    `reason` is a short snake_case name (the `reason` column of a table) and `detail` words for a person (its
    `detail`). Reasons of a file: absent_file, unsafe_path, bad_index, not_a_file, unreadable, empty_file,
    not_a_video, no_moov, no_video_stream, unsupported_codec, too_large, truncated, no_timestamps, no_keyframes,
    too_many_frames; of a part of a file: shorter_than_row, span_needs_times; of a server: refused, no_ranges,
    unreachable, changed, missing_package, and absent_file; of the process that read it: timeout, decoder_crashed,
    worker_failed, out_of_memory; of a frame: frame_not_delivered, corrupt_frame, unsupported_colour, interlaced, hdr.
    """

    def __init__(self, reason: str, detail: str = ""):
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail

    def __reduce__(self):
        return MediaError, (self.reason, self.detail)
