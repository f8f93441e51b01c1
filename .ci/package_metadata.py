"""What a package index shows of the project: the README with links that work there, and addresses.

A link of the README leads to a file beside it, which an index does not have. Where PROJECT_REPOSITORY says which
repository is released (``owner/name``; the workflow of a release sets it), such links lead there. Elsewhere the README
is packed as it is. Not GITHUB_REPOSITORY: in the workflow of another project, which may install this one from its
sources, that is the other project.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

#: The target of a Markdown link or picture, where it is a path.
_PATH = r"\]\((?!\w+:|#)([^()\s]+)\)"


def for_an_index(readme: str, home: str) -> str:
    """The README, its links to files leading to ``home``, the repository's address."""
    pictures = re.sub(rf"(!\[[^\[\]]*){_PATH}", rf"\1]({home}/raw/main/\2)", readme)
    return re.sub(_PATH, rf"]({home}/blob/main/\1)", pictures)


def addresses(repository: str) -> dict[str, str]:
    """What an index lists beside the project, for a repository ``owner/name``."""
    owner, name = repository.split("/")
    home = f"https://github.com/{repository}"
    return {
        "Documentation": f"https://{owner.lower()}.github.io/{name}/",
        "Source": home,
        "Issues": f"{home}/issues",
        "Changelog": f"{home}/blob/main/docs/changelog.md",
    }


class PackageMetadata(MetadataHookInterface):
    """Hatch's hook: ``[tool.hatch.metadata.hooks.custom]`` names this file."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Fill in what ``dynamic`` of pyproject.toml lists."""
        readme = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        if repository := os.environ.get("PROJECT_REPOSITORY"):
            metadata["urls"] = addresses(repository)
            readme = for_an_index(readme, metadata["urls"]["Source"])
        metadata["readme"] = {"content-type": "text/markdown", "text": readme}
