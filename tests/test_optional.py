"""Optional packages: the error is the install line, and what plotly seldom uses waits for its first use."""

import subprocess
import sys

import pytest

from chroma_nb import _optional

_LAZY = """
import sys
from chroma_nb._optional import require
figures = require("plotly.graph_objects", feature="a map")
figures.FigureWidget
assert "nbformat" in sys.modules and "jsonschema" not in sys.modules
{use}
assert "jsonschema" in sys.modules
import nbformat
nbformat.validate(nbformat.v4.new_notebook())
"""


def test_a_missing_package_is_named_with_its_install_line():
    with pytest.raises(
        _optional.MissingPackageError, match=r'install it with: pip install "chroma-nb\[large\]"'
    ) as told:
        _optional.require("no_such_package.part", feature="a large map", extra="large")
    assert "a large map needs the package 'no_such_package'" in str(told.value)
    assert told.value.name == "no_such_package.part"


@pytest.mark.parametrize(
    "use",
    [
        "import nbformat.v4",
        "from nbformat import NO_CONVERT",
        "assert require('plotly.io._renderers', feature='x').nbformat.__version__",
        "figures.Figure(figures.Scatter(y=[1])).show('plotly_mimetype')",
    ],
)
def test_plotly_opens_without_running_nbformat_which_loads_when_it_is_used(use):
    pytest.importorskip("nbformat")
    subprocess.run([sys.executable, "-W", "error::ImportWarning", "-c", _LAZY.format(use=use)], check=True)


def test_a_module_that_fails_at_its_first_use_can_be_tried_again(tmp_path, monkeypatch):
    package = tmp_path / "seldom"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('not today')")
    monkeypatch.syspath_prepend(tmp_path)
    _optional._import_at_first_use("seldom")
    import seldom

    for _ in range(2):
        with pytest.raises(ImportError, match="not today"):
            from seldom import name  # noqa: F401
    assert "seldom" not in sys.modules
    del seldom
    (package / "__init__.py").write_text("name, more = 'today', 1")
    _optional._import_at_first_use("seldom")
    import seldom

    assert seldom.name == "today"
    assert not hasattr(seldom, "other")
    del sys.modules["seldom"]


def test_what_is_imported_already_or_not_installed_is_left_as_it_is():
    import json

    _optional._import_at_first_use("json")
    _optional._import_at_first_use("no_such_package")
    assert sys.modules["json"] is json
    assert "no_such_package" not in sys.modules
