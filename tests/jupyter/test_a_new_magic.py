"""A sub-command of %chroma is its file and its row: it runs, is listed, explained and completed."""

import sys
from types import ModuleType

import pytest
from IPython.core.completer import provisionalcompleter

from chroma_nb.jupyter.command_line import Command
from chroma_nb.jupyter.commands import COMMANDS, command
from chroma_nb.jupyter.commands.options import add_output, add_where, compiled, filters, only_target


def arguments(parser):
    parser.add_argument("words", nargs="*", metavar="[COLLECTION]")
    add_where(parser)
    add_output(parser)


def run(session, arguments, cell):
    collection = only_target(session, arguments.words, "longest")
    found = collection.get(**filters(compiled(session, arguments.where)))
    return max(found["documents"], key=len)


@pytest.fixture(autouse=True)
def _a_command_more(monkeypatch):
    module = ModuleType("file_of_longest")
    module.COMMAND = Command(
        name="longest",
        summary="The longest document.",
        examples=("%chroma longest papers",),
        arguments=arguments,
        run=run,
    )
    monkeypatch.setitem(sys.modules, "file_of_longest", module)
    monkeypatch.setitem(COMMANDS, "longest", ("file_of_longest", "the longest document"))


def test_it_runs_with_the_options_that_it_takes(chroma, shell):
    assert chroma("longest papers") in ("a bad cab", "deaf ghee", "the whale")
    assert chroma("longest papers --where 'year > 2021'") == "the whale"
    assert chroma("longest papers --where 'year < 2020' -o text") is None
    assert shell.user_ns["text"] == "a bad cab"


def test_it_is_listed_and_explained(chroma, capsys):
    chroma("")
    assert "longest" in capsys.readouterr().out
    chroma("longest -h")
    assert "%chroma longest papers" in capsys.readouterr().out
    assert command("longest").name == "longest"


def test_it_is_completed(chroma, shell):
    line = "%chroma long"
    with provisionalcompleter():
        assert [found.text for found in shell.Completer.completions(line, len(line))] == ["longest"]
