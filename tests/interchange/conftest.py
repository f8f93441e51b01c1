"""Unpacked Chroma directories for every test that only reads."""

import pytest
from chroma_fixtures import unpack


@pytest.fixture(scope="session")
def pristine(tmp_path_factory):
    """The unpacked directory of a version, shared and so not to be written to."""
    made = {}

    def directory(name):
        if name not in made:
            made[name] = unpack(name, tmp_path_factory.mktemp("chroma"))
        return made[name]

    return directory
