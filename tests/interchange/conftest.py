"""Unpacked Chroma directories for every test that only reads."""

import pytest
from chroma_fixtures import unpack

from chroma_nb.client.shared_system_client import SharedSystemClient


@pytest.fixture(autouse=True)
def nothing_shared(monkeypatch):
    """No client of another test is met under the same path, and no bar is drawn."""
    monkeypatch.setenv("CHROMA_NB_PROGRESS", "0")
    SharedSystemClient.clear_system_cache()
    yield
    SharedSystemClient.clear_system_cache()


@pytest.fixture(scope="session")
def pristine(tmp_path_factory):
    """The unpacked directory of a version, shared and so not to be written to."""
    made = {}

    def directory(name):
        if name not in made:
            made[name] = unpack(name, tmp_path_factory.mktemp("chroma"))
        return made[name]

    return directory
