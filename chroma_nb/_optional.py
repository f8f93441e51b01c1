"""Optional packages: imported where they are used, and the error is the install line."""

from __future__ import annotations

import importlib
from types import ModuleType


class MissingPackageError(ImportError):
    """A package that a feature needs is not installed; the message is the command that installs it."""


def require(module: str, *, feature: str, extra: str | None = None, package: str | None = None) -> ModuleType:
    """Import ``module``, or say how to install it.

    ``extra`` names an extra of chroma-nb that brings it; else ``package`` is the distribution's name
    (default: the module's).
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        if error.name is not None and error.name.split(".")[0] != module.split(".")[0]:
            raise
        what = f'"chroma-nb[{extra}]"' if extra else (package or module.split(".")[0])
        raise MissingPackageError(
            f"{feature} needs the package {(package or module.split('.')[0])!r}, which is not installed; "
            f"install it with: pip install {what}",
            name=module,
        ) from error
