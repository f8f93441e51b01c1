"""``install_as_chromadb()``: from then on ``import chromadb`` imports chroma_nb, for programs and libraries unchanged.

Not a package called chromadb: nothing is installed, and ``uninstall_as_chromadb`` takes it back. The submodules are
the same module objects under both names, so isinstance and patching work. The top module forwards to ours, except for
``__version__``, which is the version of Chroma whose API is spoken.
"""

from __future__ import annotations

import atexit
import importlib
import importlib.abc
import importlib.machinery
import importlib.metadata
import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from chroma_nb.client.not_offered import absent

NAME: Final = "chromadb"
#: The package that is given under that name: this module's own, loaded before it.
_PACKAGE: Final = sys.modules[__name__.partition(".")[0]]
#: The version of Chroma whose API is spoken; programs compare it.
VERSION: Final = "1.5.9"
#: Chroma's paths that are ours, by their first part below the package.
_OURS: Final = frozenset({"api", "auth", "base_types", "config", "errors", "execution", "types", "utils"})
#: Chroma's paths that cannot mean anything here, with all below them. They import; what is in them says so when used.
_ABSENT: Final = frozenset(
    {
        "app",
        "cli",
        "db",
        "execution.executor",
        "ingest",
        "logservice",
        "migrations",
        "proto",
        "quota",
        "rate_limit",
        "segment",
        "serde",
        "server",
        "telemetry",
        "utils.async_to_sync",
        "utils.delete_file",
        "utils.directory",
        "utils.embedding_functions.schemas",
        "utils.embedding_functions.utils",
        "utils.fastapi",
        "utils.lru_cache",
        "utils.messageid",
        "utils.read_write_lock",
        "utils.rendezvous_hash",
        "utils.statistics",
    }
)
_METADATA: Final = f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {VERSION}\nSummary: chroma_nb in Chroma's place\n"
#: What a child process finds on its path: this is imported instead of Chroma, and puts us in its place.
_CHILD_PACKAGE: Final = (
    '"""chroma_nb in Chroma\'s place, as the parent process asked."""\n'
    "import chroma_nb.drop_in\n\n"
    "chroma_nb.drop_in.install_in_child()\n"
)


def install_as_chromadb(*, children: bool = False) -> None:
    """Make ``import chromadb`` use chroma_nb in this process.

    Programs and libraries that import chromadb then work with chroma_nb without changes. Call this
    function before anything imports chromadb. ``uninstall_as_chromadb`` ends it. Calling the function
    again does nothing, except that ``children=True`` takes effect.

    Parameters
    ----------
    children
        Do the same in processes that this process starts from now on.

    Raises
    ------
    RuntimeError
        The real chromadb is already imported. Restart the process, or the kernel.

    Examples
    --------
    >>> import chroma_nb
    >>> chroma_nb.install_as_chromadb()
    >>> import chromadb, chromadb.errors, chroma_nb.errors
    >>> chromadb.__version__, chromadb.errors is chroma_nb.errors
    ('1.5.9', True)
    >>> chroma_nb.uninstall_as_chromadb()
    """
    loaded = sys.modules.get(NAME)
    if loaded is not None and not isinstance(loaded, _TopModule):
        raise RuntimeError(
            f"chromadb ({getattr(loaded, '__version__', 'of unknown version')}, from "
            f"{getattr(loaded, '__file__', 'an unknown place')}) is already imported in this process, so "
            "chroma_nb cannot replace it. Restart (in a notebook: the kernel), and call install_as_chromadb() "
            "before anything imports chromadb."
        )
    if _finder() is None:
        sys.meta_path.insert(0, _Finder())
        importlib.invalidate_caches()
    if children:
        _Children.begin()


def uninstall_as_chromadb() -> None:
    """Undo ``install_as_chromadb``.

    ``import chromadb`` then finds the real package again. Modules that were imported in between keep
    working.
    """
    _Children.end()
    finder = _finder()
    if finder is None:
        return  # a chromadb that is imported is the real one, in use
    sys.meta_path.remove(finder)
    for name in [name for name in sys.modules if name == NAME or name.startswith(f"{NAME}.")]:
        del sys.modules[name]
    importlib.invalidate_caches()


def is_installed() -> bool:
    """Whether ``import chromadb`` gives chroma_nb now."""
    return _finder() is not None


def install_in_child() -> None:
    """What the package that a child process finds does: take the place, and then this package's own entry."""
    sys.modules.pop(NAME, None)
    install_as_chromadb()
    importlib.import_module(NAME)


def _finder() -> _Finder | None:
    return next((finder for finder in sys.meta_path if isinstance(finder, _Finder)), None)


# --- Modules ------------------------------------------------------------------------------------------


class _TopModule(ModuleType):
    """The module ``chromadb``: every name but ``__version__`` is chroma_nb's, or means something of it."""

    __version__ = VERSION

    def __getattr__(self, name: str) -> object:
        try:
            return getattr(_PACKAGE, name)
        except AttributeError:
            raise AttributeError(f"module {NAME!r} has no attribute {name!r}") from None

    def __dir__(self) -> Iterable[str]:
        return sorted({*super().__dir__(), *dir(_PACKAGE)})


class _AbsentModule(ModuleType):
    """A module of Chroma's insides: imports, and every name in it is a class that says why it cannot be used."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        value = absent(self.__name__, name)
        setattr(self, name, value)
        return value


class _AliasLoader(importlib.abc.Loader):
    """Gives a module of ours under Chroma's name, untouched."""

    def __init__(self, ours: str) -> None:
        self._ours = ours

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """Our module itself, not a new one."""
        module = importlib.import_module(self._ours)
        self._spec, self._module_loader = module.__spec__, getattr(module, "__loader__", None)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run: the module is loaded already. Its own spec and loader are put back."""
        # The import system has just written Chroma's name over the module's own papers.
        module.__spec__, module.__loader__ = self._spec, self._module_loader


class _MadeLoader(importlib.abc.Loader):
    """Makes a module that holds nothing but its ``__getattr__``."""

    def __init__(self, kind: type[ModuleType]) -> None:
        self._kind = kind

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """A new module of the class given."""
        return self._kind(spec.name, f"Chroma's {spec.name}, in chroma_nb's place.")

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run."""
        return None


class _Finder(importlib.abc.MetaPathFinder):
    """Finds ``chromadb`` and what is below it, before anything else on the path does; nothing else."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """How ``chromadb`` or a module below it is loaded; None for any other name.

        Raises ModuleNotFoundError for one that Chroma does not have.
        """
        if fullname != NAME and not fullname.startswith(f"{NAME}."):
            return None
        loader = self._loader(fullname.removeprefix(NAME).removeprefix("."))
        if loader is None:
            # Not None: the path finders would look for a real chromadb's submodule next.
            raise ModuleNotFoundError(
                f"No module named {fullname!r} (chroma_nb replaces chromadb in this process)", name=fullname
            )
        return importlib.machinery.ModuleSpec(fullname, loader, origin="chroma_nb", is_package=True)

    def _loader(self, below: str) -> importlib.abc.Loader | None:
        if not below:
            return _MadeLoader(_TopModule)
        parts = below.split(".")
        if any(".".join(parts[: n + 1]) in _ABSENT for n in range(len(parts))):
            return _MadeLoader(_AbsentModule)
        # Which module this is, the program's import statement says: no import of our own leads there.
        ours = f"{_PACKAGE.__name__}.{below}"
        if parts[0] in _OURS and importlib.util.find_spec(ours) is not None:
            return _AliasLoader(ours)
        return None

    def find_distributions(self, context: Any = None) -> Iterable[importlib.metadata.Distribution]:
        """What ``importlib.metadata`` asks; only ``chromadb`` is ours."""
        if context is None or context.name in (NAME, None):
            yield _ChromaDistribution()


def _folder() -> Path:
    return Path(__file__).parent


class _ChromaDistribution(importlib.metadata.Distribution):
    """The distribution "chromadb" while the drop-in is in."""

    def read_text(self, filename: str) -> str | None:
        """The metadata; no other file is there."""
        return _METADATA if filename == "METADATA" else None

    def locate_file(self, path: Any) -> Any:
        """Where a file of the package would be."""
        return _folder() / path


# --- Child processes ------------------------------------------------------------------------------------


class _Children:
    """The folder on PYTHONPATH through which child processes find us; one per process, as PYTHONPATH is.

    Removed by ``uninstall_as_chromadb`` or when the process that made it ends.
    """

    folder: Path | None = None
    owner = 0

    @classmethod
    def begin(cls) -> None:
        """Make the folder and put it first on PYTHONPATH; once per process."""
        if cls.folder is not None:
            return
        cls.folder, cls.owner = Path(tempfile.mkdtemp(prefix="chroma_nb-drop-in-")), os.getpid()
        package, about = cls.folder / NAME, cls.folder / f"{NAME}-{VERSION}.dist-info"
        package.mkdir()
        about.mkdir()
        (package / "__init__.py").write_text(_CHILD_PACKAGE)
        (about / "METADATA").write_text(_METADATA)
        # Ours second, for a child whose Python does not have chroma_nb installed; multiprocessing hands on sys.path.
        entries = [str(cls.folder), str(_folder().resolve().parent)]
        os.environ["PYTHONPATH"] = os.pathsep.join([*entries, *_entries()])
        sys.path.insert(0, str(cls.folder))
        atexit.register(cls.end)

    @classmethod
    def end(cls) -> None:
        """Remove the folder, and take it off PYTHONPATH."""
        if cls.folder is None or cls.owner != os.getpid():
            return
        atexit.unregister(cls.end)
        own = str(cls.folder)
        entries = _entries()
        if own in entries:
            place = entries.index(own)
            rest = entries[:place] + entries[place + 2 :]
            if rest:
                os.environ["PYTHONPATH"] = os.pathsep.join(rest)
            else:
                del os.environ["PYTHONPATH"]
        sys.path[:] = [entry for entry in sys.path if entry != own]
        shutil.rmtree(cls.folder, ignore_errors=True)
        cls.folder = None


def _entries() -> list[str]:
    value = os.environ.get("PYTHONPATH", "")
    return value.split(os.pathsep) if value else []
