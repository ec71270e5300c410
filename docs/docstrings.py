"""Write docstrings as Markdown for the site, as griffe calls it: doctests as code blocks, roles of Sphinx as code."""

import re
from typing import Any

import griffe


class MarkdownDocstrings(griffe.Extension):
    """Rewrites each docstring before it is parsed."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of `obj`, where it has one."""
        if obj.docstring:
            obj.docstring.value = as_markdown(obj.docstring.value)


def as_markdown(docstring: str) -> str:
    """Return a docstring with its doctests in code blocks, and without Sphinx' roles."""
    text = re.sub(r"\s+# doctest: .*", "", re.sub(r":\w+:(`[^`]+`)", r"\1", docstring))
    return re.sub(r"^>>> .*(?:\n.+)*", r"```pycon\n\g<0>\n```", text, flags=re.MULTILINE)
