"""The code that decides the release's files."""

from curation.code_version import CodeVersion

CODE = CodeVersion(
    files=(
        "curation/assembly/split_words.py",
        "curation/assembly/statistics.py",
        "curation/release/card.py",
        "curation/release/card_text.py",
        "curation/release/charts.py",
        "curation/release/files.py",
        "curation/release/images.py",
        "curation/release/publish.py",
    ),
    known={
        "f83a91ac06e7": "1",
        "7854bc529438": "2",
        "06987f810fbd": "2",
        "4138a90062c0": "2",
        "c1c811936fa4": "2",
        "db12c251c35c": "2",
    },
)
