"""Docstrings head their examples with "Example:"; the reference shows these as Python sessions."""

import re
from typing import Any

import griffe


class Examples(griffe.Extension):
    """Give sessions under "Example:" the heading that griffe reads as such."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called with each module, class, function and attribute that was read."""
        if obj.docstring and ">>> " in obj.docstring.value:
            text = obj.docstring.value
            obj.docstring.value = re.sub(r"^(\s*)Example:$", r"\1Examples:", text, flags=re.M)
