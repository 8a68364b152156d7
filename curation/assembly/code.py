"""The code that decides the assembled table, and the code that decides the hashes of pictures."""

from curation.code_version import CodeVersion

CODE = CodeVersion(
    files=(
        "curation/assembly/assemble.py",
        "curation/assembly/copies.py",
        "curation/assembly/decide.py",
        "curation/assembly/groups.py",
        "curation/assembly/near_duplicates.py",
        "curation/assembly/picture_hashes.py",
        "curation/assembly/index.py",
        "curation/assembly/clip_neighbours.py",
        "curation/assembly/removals.py",
        "curation/assembly/split.py",
        "curation/assembly/statistics.py",
        "curation/assembly/text_copies.py",
    ),
    known={
        "590fab56dfcc": "1",
        "1d42fa69be39": "2",
        "85214e4bfe19": "2",
        "e669f4bff92a": "3",
        "32a12c6eefa8": "3",
        "f98f997c6533": "3",
        "1adcee86a965": "3",
    },
)

# What `picture_hashes.py` keeps is made again, in a minute, after any change of this.
HASH_CODE = CodeVersion(files=("curation/assembly/copies.py", "curation/assembly/picture_hashes.py"))
