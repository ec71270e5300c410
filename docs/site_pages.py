"""Add the documents outside docs/ and a page for each room to the site: a hook of MkDocs (mkdocs.yml)."""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PROJECT = Path(__file__).parents[1]
OUTSIDE = {
    "README.md": "index.md", "ARCHITECTURE.md": "architecture.md", "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md", "benchmarks/README.md": "benchmarks.md",
}  # fmt: skip
"""Documents outside docs/ and the names of their pages."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Return `files` with the documents outside docs/ and the rooms."""
    pages = {page: with_links_of_the_site((PROJECT / path).read_text("utf-8")) for path, page in OUTSIDE.items()}
    for room in sorted(path.parent.name for path in PROJECT.glob("src/*/__init__.py")):
        pages[f"rooms/{room}.md"] = f"# {room}\n\n::: src.{room}\n    options: {{show_root_heading: false}}\n"
    for page, text in pages.items():
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Return a page's text with links that hold on the site."""
    return with_links_of_the_site(markdown)


def with_links_of_the_site(text: str) -> str:
    """Return `text` with links to documents by their pages' names, and names in place of links to code.

    >>> with_links_of_the_site("[a](docs/data.md), [b](../benchmarks/README.md), [`c`](../src/config.py)")
    '[a](data.md), [b](benchmarks.md), `c`'
    """
    return re.sub(r"\[([^\]]*)\]\((?!\w+:)([^)#\s]+)\)", lambda link: _link(link[1], link[2]), text)


def _link(words: str, target: str) -> str:
    """Return a Markdown link, or its words alone where the site has no such page."""
    path = re.sub(r"^(\.\./)?(docs/)?", "", target)
    page = OUTSIDE.get(path, path)
    return f"[{words}]({page})" if (PROJECT / "docs" / page).exists() or page in OUTSIDE.values() else words
