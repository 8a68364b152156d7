"""The columns of every stage's table: the contract between rooms.

A stage's table holds every row that the stage before kept, with `status` ("kept" or "rejected"), `reason` (a short
snake_case name, "" when kept) and `detail` (the measured value or the error's words, for a person). Rows are sorted by
their id. Times are seconds after the clip's first presented frame.
"""

import pyarrow as pa

from curation.quality_metrics import METRICS

# The reason of rows that failed for want of an answer, not by their own fault: the next run asks again.
UNFINISHED = "vlm_unavailable"

VERDICT = [("status", pa.string()), ("reason", pa.string()), ("detail", pa.string())]

CLIPS = pa.schema([
    ("clip_id", pa.string()),
    ("path", pa.string()),  # relative to the source folder; "" when the file is absent
    ("digest", pa.string()),  # of size and samples of the content, see curation/clips/content.py; "" when absent
    ("size_bytes", pa.int64()),
    ("external_id", pa.string()),  # the video's id where it came from, e.g. a YouTube id; else ""
    ("external_start_s", pa.float64()),  # where the clip lies in that video
    ("external_end_s", pa.float64()),
    ("caption", pa.string()),
    ("redistributable", pa.bool_()),  # whether pixels may be published
    ("duration_s", pa.float64()),
    ("fps", pa.float64()),  # mean
    ("codec", pa.string()),
    ("pix_fmt", pa.string()),
    ("width", pa.int32()),  # as displayed: rotation and pixel aspect applied
    ("height", pa.int32()),
    ("rotation", pa.int32()),  # degrees, counter-clockwise, one of 0, 90, 180, 270
    ("frame_count", pa.int32()),  # counted packets, not the header's word
    ("field_order", pa.string()),  # "progressive", "top_first", "bottom_first"; "" when the stream does not say
    ("interlaced", pa.bool_()),  # whether the first frame holds two fields
    ("transfer", pa.string()),  # "bt709", "smpte2084" (PQ), "arib_std_b67" (HLG) ...; "" when not known
    ("time_base_num", pa.int64()),
    ("time_base_den", pa.int64()),
    ("pts_runs", pa.list_(pa.int64())),  # every presentation time: media/index.py
    ("keyframe_pts", pa.list_(pa.int64())),
    ("counted", pa.bool_()),  # the file has no presentation times of its own: its frames are found by counting
    ("cut_pts", pa.list_(pa.int64())),  # where a new shot begins, the first left out; null when not looked for
    *VERDICT,
])  # fmt: skip

FRAME = [
    ("frame_id", pa.string()),  # {clip_id}_{milliseconds:08d}
    ("clip_id", pa.string()),
    ("seconds", pa.float64()),  # of the delivered frame
    ("image", pa.string()),  # JPEG, relative to the collection's folder; "" when there is none
    ("image_sha256", pa.string()),
    ("width", pa.int32()),
    ("height", pa.int32()),
]

FRAMES = pa.schema([
    *FRAME,
    ("requested_s", pa.float64()),
    ("pts", pa.int64()),
    ("mode", pa.string()),  # "keyframe" or "exact": how this frame was found
    *VERDICT,
])  # fmt: skip

MEASURED = [*FRAME, ("phash", pa.string())]  # 64-bit perceptual hash, 16 hexadecimal digits

QUALITY = pa.schema([
    *MEASURED,
    # laplacian_var, mean_luma, luma_std, black_ratio, white_ratio: see curation/quality/measure.py
    *((metric.column, pa.float64()) for metric in METRICS),
    *VERDICT,
])  # fmt: skip

AESTHETICS = pa.schema([
    *MEASURED,
    ("scorer", pa.string()),
    ("aesthetic", pa.float64()),  # the scorer's own scale
    ("aesthetic_rank", pa.float64()),  # 0..1 within the reference population
    ("sharpness_rank", pa.float64()),
    ("exposure", pa.float64()),  # 0..1
    ("score", pa.float64()),  # the combined quality score, 0..1
    ("cut_score", pa.float64()),
    ("embedding", pa.list_(pa.float32())),  # L2-normalised CLIP embedding; null without the clip scorer
    *VERDICT,
])  # fmt: skip

TOKENS = [("prompt_tokens", pa.int32()), ("completion_tokens", pa.int32())]
ASKED = [("vlm", pa.string()), ("prompt_hash", pa.string()), *TOKENS]

SCREENING = pa.schema([
    *MEASURED,
    *ASKED,
    ("log_odds", pa.float64()),  # log p(yes) - log p(no), natural logarithm; null when the request failed
    ("exact", pa.bool_()),  # false when a missing token's log-probability was replaced by a floor
    ("mass", pa.float64()),  # p(yes) + p(no), 0..1; null where it is not known
    ("threshold", pa.float64()),
    *VERDICT,
])  # fmt: skip

PAIR = [
    ("task_index", pa.int32()),  # 0..7
    ("agent", pa.string()),  # the words in brackets
    ("task", pa.string()),  # T: "[Agent]: instruction."
    ("solution", pa.string()),  # D
]

# Token counts stand on a request's first row and are 0 on the others, so that a column's sum is the bill.
TASKS = pa.schema([*MEASURED, *PAIR, *ASKED, *VERDICT])

TAXONOMY = pa.schema([
    *MEASURED,
    *PAIR,
    ("agent_category", pa.string()),
    ("task_type", pa.string()),
    *ASKED,
    *VERDICT,
])  # fmt: skip

WORLDTASKS = pa.schema([
    ("sample_id", pa.string()),  # {frame_id}_{task_index}
    *MEASURED,
    *PAIR,
    ("agent_category", pa.string()),
    ("task_type", pa.string()),
    ("external_id", pa.string()),
    ("external_start_s", pa.float64()),
    ("redistributable", pa.bool_()),
    ("text_copies", pa.int32()),  # other frames with a pair that says nearly the same: curation/assembly/text_copies.py
    ("split", pa.string()),  # "train", "bench" or "" when rejected
    *VERDICT,
])  # fmt: skip
