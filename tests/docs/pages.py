"""What the pages say, taken apart: links, headings, code in lines and in blocks."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from assets.support.option_tables import anchor

REPOSITORY = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"\]\(([^)\s]+)\)")
ITEM = re.compile(r"^( *)(?:[-*]|\d+\.) ")


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(REPOSITORY).as_posix()

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def fenced(self) -> list[tuple[str, str]]:
        """(language, text) of each block between fences."""
        return [(language, dedented(body)) for _, language, body in FENCE.findall(self.text)]

    @cached_property
    def indented(self) -> list[str]:
        """Blocks that are code because they are indented by four more than the text around them."""
        blocks, block, margin, blank = [], [], 0, True
        for line in [*FENCE.sub("", self.text).splitlines(), ""]:
            inside = line.startswith(" " * (margin + 4)) and (block or blank)
            if inside or (block and not line.strip()):
                block.append(line)
            else:
                if block:
                    blocks.append(dedented("\n".join(block)))
                block = []
                item = ITEM.match(line)
                if item or (line.strip() and not line.startswith(" ")):
                    margin = item.end() if item else 0
            blank = not line.strip()
        return [*blocks, *([dedented("\n".join(block))] if block else [])]

    @cached_property
    def blocks(self) -> list[str]:
        return self.indented + [text for _, text in self.fenced]

    @cached_property
    def inline(self) -> list[str]:
        """Code inside of sentences."""
        return INLINE.findall(FENCE.sub("", self.text))

    @cached_property
    def commands(self) -> list[str]:
        """Lines of blocks, and code inside of sentences, that somebody would type."""
        lines = [line.strip() for block in self.blocks for line in block.replace("\\\n", " ").splitlines()]
        return lines + self.inline

    @cached_property
    def anchors(self) -> set[str]:
        return {anchor(line.lstrip("# ").replace("`", "")) for line in self.text.splitlines() if re.match(r"#+ ", line)}

    @cached_property
    def links(self) -> list[str]:
        return [link for link in LINK.findall(self.text) if not re.match(r"[a-z]+:", link)]


def dedented(text: str) -> str:
    lines = text.rstrip().splitlines()
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return "\n".join(line[margin:] for line in lines)


PAGES = [
    Page(path)
    for path in (*sorted(REPOSITORY.glob("*.md")), *sorted((REPOSITORY / "docs").glob("*.md")))
    if path.name != "LICENSE.md"
]
