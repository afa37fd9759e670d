"""The snippets of README and docs: code blocks, and the commands in them."""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

from markdown_it import MarkdownIt

__all__ = ["Snippet", "commands", "snippets"]

ROOT = Path(__file__).resolve().parents[1]


@dataclasses.dataclass(frozen=True)
class Snippet:
    """A code block: its page from the root, its first line, its language, its text."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def snippets() -> Iterator[Snippet]:
    """Every code block. What is indented, or fenced without a language, is for bash."""
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for token in MarkdownIt().parse(path.read_text(encoding="utf-8")):
            if token.type in ("fence", "code_block"):
                page = path.relative_to(ROOT).as_posix()
                line = token.map[0] + (2 if token.type == "fence" else 1)
                yield Snippet(page, line, token.info or "bash", token.content)


def commands(snippet: Snippet) -> list[str]:
    """The command lines of a snippet for bash, those over several lines as one."""
    text = re.sub(r"\\\n\s*", "", snippet.text)
    return [line.strip() for line in text.splitlines() if line.strip()]
