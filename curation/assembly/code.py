"""The code that decides the assembled table."""

from curation.code_version import CodeVersion

CODE = CodeVersion(
    files=(
        "curation/assembly/assemble.py",
        "curation/assembly/near_duplicates.py",
        "curation/assembly/index.py",
        "curation/assembly/clip_neighbours.py",
        "curation/assembly/removals.py",
        "curation/assembly/split.py",
        "curation/assembly/statistics.py",
    ),
    known={"590fab56dfcc": "1"},
)
