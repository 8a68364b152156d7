"""Settings of the assembly."""

from pydantic import Field

from curation.options import Options


class WorldtasksOptions(Options):
    """What decides the assembled table and its benchmark split."""

    near_duplicate_distance: int = Field(
        4,
        ge=0,
        le=12,
        description="Frames count as one picture if their 64-bit perceptual hashes differ in at most this many bits",
    )
    clip_similarity: float = Field(
        0.99, gt=0.5, le=1, description="Frames count as one picture if their CLIP embeddings have at least this cosine"
    )
    bench_size: int = Field(200, ge=0, description="Image-task pairs in the benchmark (paper: 200)")
    max_bench_share: float = Field(0.1, gt=0, le=0.5, description="Largest share of the images the benchmark may take")
    max_excluded_share: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Largest share of images that train may give up so that no clip is in both train and benchmark",
    )
    split_salt: str = Field("worldtasks", description="Another text draws another benchmark from the same pairs")
    removed: str | None = Field(
        None, description="Text file of clip, frame, sample or source-video ids, one a line, that must not be published"
    )
    min_train_pairs: int = Field(1, ge=0, description="Fewest train pairs that a release may have")
    min_bench_pairs: int = Field(1, ge=0, description="Fewest benchmark pairs that a release may have")
