"""`.ci/make.py`, which make lab and make test are: says how far it is, does nothing twice, fails with what to do."""

from __future__ import annotations

import importlib.util
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / ".ci" / "make.py"


@pytest.fixture
def make(tmp_path, monkeypatch):
    """The script as a module, with an environment of its own; its pip is a program that the test writes."""
    spec = importlib.util.spec_from_file_location("make_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "make_script", module)
    spec.loader.exec_module(module)
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    for name, path in {"VENV": venv, "BIN": venv / "bin", "LOG": venv / "pip.log", "PYTHON": sys.executable}.items():
        monkeypatch.setattr(module, name, Path(path))
    return module


def plays(make, monkeypatch, program: str) -> list[tuple[str, ...]]:
    """Let ``program`` run in pip's place; what pip was given."""
    given = []

    def command(*what: str) -> list[str]:
        given.append(what)
        return [sys.executable, "-c", program]

    monkeypatch.setattr(make, "pip_install", command)
    return given


SAID = """
Collecting numpy>=2.0 (from chroma-nb==0.1.0)
  Using cached numpy-2.5.5-cp314-cp314-manylinux_2_28_x86_64.whl (17 MB)
Collecting scikit-learn>=1.6 (from umap-learn>=0.5.7->chroma-nb==0.1.0)
  Downloading scikit_learn-1.9.1-cp314-cp314-manylinux_2_28_x86_64.whl (9.1 MB)
"""


def test_it_says_what_pip_looks_up_downloads_and_unpacks(make):
    progress = make.Progress(io.StringIO())
    said = [progress.line()]
    for line in [*SAID.splitlines(), "Installing collected packages: numpy, scikit-learn"]:
        progress.read(line)
        said.append(progress.line())
    assert [line.split(" ", 3)[3] for line in dict.fromkeys(said)] == [
        "starting",
        "1 packages so far, looking up numpy",
        "2 packages so far, looking up scikit-learn",
        "2 packages so far, downloading scikit_learn (9.1 MB)",
        "unpacking: 0 of 2 packages",
    ]
    (make.VENV / "lib/python3.14/site-packages/numpy-2.5.5.dist-info").mkdir(parents=True)
    assert progress.line().endswith("unpacking: 1 of 2 packages")


def test_a_line_comes_while_pip_works_and_the_whole_is_kept(make):
    out = io.StringIO()
    with make.Progress(out, seconds=0.001) as progress:
        progress.read("Collecting numpy")
        while "looking up numpy" not in out.getvalue():
            progress._thread.join(0.001)
    assert out.getvalue().endswith("\n")
    assert make.run_shown([sys.executable, "-c", "print('Collecting numpy')"], out) == 0
    assert make.LOG.read_text() == "Collecting numpy\n"


def test_what_pip_says_at_the_end_is_shown_when_it_fails(make, monkeypatch):
    out = io.StringIO()
    plays(make, monkeypatch, "print('no such package'); raise SystemExit(1)")
    with pytest.raises(SystemExit) as ended:
        make.ready("lab", out)
    assert ended.value.code == 1
    assert "no such package" in out.getvalue()
    assert str(make.LOG) in out.getvalue()
    assert not (make.VENV / ".ready-lab").exists()


def test_an_environment_that_is_ready_is_left_alone_until_the_project_changes(make, monkeypatch, tmp_path):
    given, out = plays(make, monkeypatch, ""), io.StringIO()
    make.ready("test", out)
    assert [what[-1] for what in given] == [".[large,lab]", ".[hnsw]", "test"]
    given.clear()
    make.ready("test", out)
    assert given == []

    changed = tmp_path / "changed"
    changed.mkdir()
    (changed / "pyproject.toml").write_text("another")
    monkeypatch.setattr(make, "ROOT", changed)
    make.ready("lab", out)
    assert [what[-1] for what in given] == [".[large,lab]", ".[hnsw]"]


def test_without_a_compiler_everything_else_is_installed_and_one_line_says_so(make, monkeypatch):
    out = io.StringIO()
    monkeypatch.setattr(
        make, "pip_install", lambda *what: [sys.executable, "-c", f"raise SystemExit({int('.[hnsw]' in what)})"]
    )
    make.ready("lab", out)
    assert "hnswlib was not built (it needs a C++ compiler), and is not needed" in out.getvalue()
    assert (make.VENV / ".ready-lab").exists()


def test_an_older_python_is_refused_with_the_version_that_the_project_asks_for(make):
    project = (ROOT / "pyproject.toml").read_text()
    assert make.refusal((3, 10), project).startswith("chroma_nb needs Python 3.11 or newer, this is 3.10; ")
    assert make.refusal((3, 11), project) is make.refusal((3, 99), project) is make.refusal((4, 0), project) is None


def test_make_calls_the_script_for_its_commands_and_every_environment(make):
    makefile = (ROOT / "Makefile").read_text()
    rule = re.search(r"^(.*):\n\t@\$\(SCRIPT\) \$@$", makefile, re.M)
    assert set(rule[1].split()) == set(make.COMMANDS)
    assert set(re.findall(r"ready-(\w+)", makefile)) == set(make.PURPOSES)


def test_it_says_its_commands_without_being_installed(tmp_path):
    done = subprocess.run([sys.executable, "-I", SCRIPT, "--help"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0
    assert "JupyterLab" in done.stdout
