"""What holds for every test: no deadline on a busy machine, no settings from outside, examples leave nothing behind."""

from __future__ import annotations

import os
import sys

import pytest
from hypothesis import settings

# The same examples in each run, so that a red run can be run again; `make fuzz` looks for new ones.
settings.register_profile("chroma_nb", deadline=None, derandomize=True)
settings.register_profile("fuzz", deadline=None, print_blob=True)
settings.load_profile("chroma_nb")

#: They hold no examples, and as modules to look for some in they all have one name.
collect_ignore_glob = ["**/conftest.py"]

#: Read by our own test runs, not by Chroma's settings.
KEPT = {"CHROMA_NB_PROGRESS"}


def pytest_configure() -> None:
    """Drop the settings of whoever runs the tests: CHROMA_SERVER_HOST would make a client ask a server."""
    for name in [name for name in os.environ if name.upper().startswith("CHROMA_") and name not in KEPT]:
        del os.environ[name]
    os.environ.setdefault("CHROMA_NB_PROGRESS", "0")


@pytest.fixture(autouse=True)
def _an_example_starts_afresh(request: pytest.FixtureRequest) -> None:
    """In a directory of its own, and as if no test had imported chromadb."""
    if isinstance(request.node, pytest.DoctestItem):  # asked for here, so that other tests make no directory
        monkeypatch = request.getfixturevalue("monkeypatch")
        monkeypatch.chdir(request.getfixturevalue("tmp_path"))
        for name in [name for name in sys.modules if name.split(".")[0] == "chromadb"]:
            monkeypatch.delitem(sys.modules, name)
        from chroma_nb.client.shared_system_client import SharedSystemClient

        if "chroma_nb.pandas" in sys.modules:  # a test may have taken .chroma off every DataFrame
            sys.modules["chroma_nb.pandas"].register()
        SharedSystemClient.clear_system_cache()  # what an earlier example left open in memory is not shared
