"""Settings of the assembly."""

from pydantic import Field

from curation.assembly.groups import GroupBy
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
        description="Largest share of images that train may give up so that no group (group_by) is in both train and "
        "benchmark. To stay below it, the benchmark takes more images of fewer groups, or is smaller",
    )
    group_by: GroupBy = Field(
        "source",
        description="What is never in both splits. source: the source video that clips name (MiraData), else the clip. "
        "clip: the clip. folder: the folder that the clip's file lies in",
    )
    copy_distance: int | None = Field(
        6,
        ge=0,
        le=12,
        description="Train images that differ from a benchmark image in at most this many of 64 bits when mirrored, "
        "cropped, freed of black bars, or compared in a part, are left out; null: not looked for",
    )
    max_text_copies: int | None = Field(
        None,
        ge=1,
        description="Most images whose pairs say nearly the same; pairs of further images are left out as "
        "`repeated_text`. null: any number. The column text_copies counts them in any case",
    )
    split_salt: str = Field("worldtasks", description="Another text draws another benchmark from the same pairs")
    removed: str | None = Field(
        None, description="Text file of clip, frame, sample or source-video ids, one a line, that must not be published"
    )
    min_train_pairs: int = Field(1, ge=0, description="Fewest train pairs that a release may have")
    min_bench_pairs: int = Field(
        0,
        ge=0,
        description="Fewest benchmark pairs that a release may have. At 0, a small benchmark, or none, only warns",
    )
