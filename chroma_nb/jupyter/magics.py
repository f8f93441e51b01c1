"""``%chroma`` and ``%%chroma``: they connect IPython and the commands.

A user's mistake is a short UsageError. The commands are in ``commands/``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher
from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from traitlets import Bool, Enum, Int

from chroma_nb._optional import Untyped
from chroma_nb.jupyter.command_line import check_quotes, split
from chroma_nb.jupyter.commands import dispatch
from chroma_nb.jupyter.completion import complete
from chroma_nb.jupyter.scope import seen_by_the_caller
from chroma_nb.jupyter.session import Session

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


@magics_class
class ChromaMagics(Magics):
    """The magics ``%chroma`` and ``%%chroma``. ``%config ChromaMagics`` shows and changes their settings."""

    n_results = Int(5, min=1, help="Number of results of %chroma query and search without -n.").tag(config=True)
    limit = Int(20, min=1, help="Number of records of %chroma get without -n.").tag(config=True)
    result = Enum(
        ["result", "df"], "result", help="What get, query and peek return: Chroma's dict or a DataFrame."
    ).tag(config=True)
    variables = Bool(True, help="Whether :name and {name} insert variables of the notebook.").tag(config=True)
    confirm = Bool(True, help="Whether %chroma delete asks for confirmation without --yes.").tag(config=True)
    short_errors = Bool(True, help="Whether errors are short; otherwise the whole traceback is shown.").tag(config=True)

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self.session = Session(shell.user_ns, self)
        self.matcher = _matcher(self.session)

    @no_var_expand
    @line_cell_magic
    def chroma(self, line: str, cell: str | None = None) -> object:
        """Work with Chroma collections: ``%chroma COMMAND …``, or ``%%chroma COMMAND …`` with texts in the cell.

        %chroma                                         list the commands; %chroma query -h explains one %chroma connect
        ./mydata                        open a directory; or memory, http://HOST:PORT, a client's variable %chroma use
        papers                              choose the collection for the next commands %chroma add papers df --text
        abstract --id doi %chroma query "protein folding" -n 5 --where "year > 2020 and topic in ('a', 'b')" %chroma
        search "parcel stuck" --by words        search by meaning, by words, or by both hits = %chroma query papers
        :question --as df   :question is a variable; local variables of a function come first %%chroma query papers -o
        hits                   the text of the cell is the query
        """
        try:
            with self.session.seeing(seen_by_the_caller(self.session.notebook)):
                words = split(line)
                check_quotes(words)
                return dispatch(self.session, words, cell)
        except UsageError:
            raise
        except Exception as error:
            if not self.short_errors:
                raise
            raise UsageError(_short(error)) from None


def _matcher(session: Session) -> Untyped:
    """What IPython asks at a press of Tab, in a line or the first line of a cell."""

    @context_matcher(identifier="chroma_nb")  # type: ignore[untyped-decorator]
    def chroma(context: CompletionContext) -> SimpleMatcherResult:
        """What IPython completes in a line of %chroma."""
        token, choices = complete(session, context.line_with_cursor[: context.cursor_position])
        completions = [SimpleCompletion(text=choice, type="chroma") for choice in choices]
        return {"completions": completions, "suppress": bool(completions), "matched_fragment": token, "ordered": True}

    return chroma


def _short(error: Exception) -> str:
    """An error as one line, with what was noted with it, and the way to the rest."""
    name = type(error).__name__
    text = "\n".join([str(error) or name, *getattr(error, "__notes__", ())])
    return f"{name}: {text}\n(For the traceback: %config ChromaMagics.short_errors = False)"
