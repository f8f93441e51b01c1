"""The errors of Chroma, in ``chroma_nb.errors``::

    Exception
    └── ChromaError
        ├── InvalidDimensionException    400  InvalidDimension
        ├── IDAlreadyExistsError         409  IDAlreadyExists
        ├── ChromaAuthError              403  AuthError
        ├── DuplicateIDError             400  DuplicateID
        ├── InvalidArgumentError         400  InvalidArgument
        ├── InvalidUUIDError             400  InvalidUUID
        ├── InvalidHTTPVersion           400  InvalidHTTPVersion
        ├── AuthorizationError           401  AuthorizationError
        ├── NotFoundError                404  NotFoundError
        ├── UniqueConstraintError        409  UniqueConstraintError
        ├── BatchSizeExceededError       413  BatchSizeExceededError
        ├── VersionMismatchError         500  VersionMismatchError
        ├── InternalError                500  InternalError
        ├── RateLimitError               429  RateLimitError
        └── QuotaError                   400  QuotaError

Older versions of Chroma raised a ``ValueError`` in some of these cases. For these, private
subclasses are raised that are also a ``ValueError``, so that code for either version works. A
traceback shows them under the public name. All errors can be copied and pickled.
"""

from __future__ import annotations

import copyreg
from collections.abc import Callable
from importlib import import_module
from typing import Any, ClassVar, Final, TypeAlias, TypeVar

#: What finds a class again in another process: a function and its arguments.
_Found: TypeAlias = tuple[Callable[..., type[Any]], tuple[Any, ...]]


class ShownAs(type):
    """The class of a private child, which a traceback shows by the name of a public class, ``shown``.

    pickle would find the public class by that name, so a child says itself how it is found: by its name in its module,
    or as ``found`` says. A class that somebody derives from a child has a name of its own.
    """

    def __new__(
        mcs,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        shown: type | None = None,
        found: _Found | None = None,
    ) -> ShownAs:
        made = super().__new__(mcs, name, bases, namespace)
        if shown is not None:
            made._found = found or (_named, (made.__module__, name))  # type: ignore[attr-defined]
            made.__module__, made.__name__, made.__qualname__ = shown.__module__, shown.__name__, shown.__qualname__
        return made

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: object) -> None:
        super().__init__(name, bases, namespace)


def _named(module: str, name: str) -> type[Any]:
    found: type[Any] = getattr(import_module(module), name)
    return found


def _found(child: ShownAs) -> _Found | str:
    """What pickle keeps of a child."""
    found: _Found | str = vars(child).get("_found", child.__qualname__)
    return found


def _made_again(kind: type[Any] | _Found, arguments: tuple[Any, ...]) -> Any:
    """The error as it was, whatever arguments the class of it takes."""
    if isinstance(kind, tuple):
        find, place = kind
        kind = find(*place)
    return kind.__new__(kind, *arguments)


copyreg.pickle(ShownAs, _found)  # type: ignore[arg-type]  # what is found is a ShownAs, and an exception, too


#: Characters that a terminal obeys, or that turn the order of a text around, and how they are shown.
_UNSEEN: Final = {
    point: repr(chr(point))[1:-1]
    for point in (*range(32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
    if chr(point) not in "\n\t"
}


def printable(text: str) -> str:
    """The words of another program, as they may stand in a message: what a terminal would obey is shown as its escape.

    >>> print(printable("not found\x1b[2J"))
    not found\\x1b[2J
    """
    return text.translate(_UNSEEN)


class ChromaError(Exception):
    """The base class of all errors that Chroma defines.

    Attributes
    ----------
    trace_id
        The trace id that a server sent with the error, or None.
    """

    #: The HTTP status of a reply that tells of it.
    status: int = 400
    #: What Chroma's server calls it in such a reply: this, where it has no name for it.
    wire_name: ClassVar[str] = "ChromaError"
    #: What Chroma's class calls itself.
    chroma_name: ClassVar[str] = "ChromaError"
    trace_id: str | None = None

    def code(self) -> int:
        """Return the HTTP status of this error.

        Returns
        -------
        int
            For example 404 for a ``NotFoundError``.
        """
        return self.status

    def message(self) -> str:
        """Return the text of this error.

        Returns
        -------
        str
            The text of the error.
        """
        return ", ".join(map(str, self.args))

    @classmethod
    def name(cls) -> str:
        """Return Chroma's name for this kind of error.

        Returns
        -------
        str
            For example ``"NotFoundError"``.
        """
        return cls.chroma_name

    def __reduce__(self) -> tuple[Any, ...]:
        kind = type(self)
        # Not the class of a child: picklers that copy classes they cannot find by name would copy it.
        return _made_again, (vars(kind).get("_found", kind), self.args), self.__dict__


class InvalidDimensionException(ChromaError):
    """A vector has another dimension than the collection.

    It exists for old programs. Chroma 1.5.9 and chroma_nb raise ``InvalidArgumentError``.
    """

    chroma_name = wire_name = "InvalidDimension"


class IDAlreadyExistsError(ChromaError):
    """A record with this id exists. A server can send it."""

    status = 409
    chroma_name = "IDAlreadyExists"


class ChromaAuthError(ChromaError):
    """The server rejects the credentials, or they do not allow access to this tenant or database."""

    status = 403
    chroma_name = wire_name = "AuthError"

    def message(self) -> str:
        """Return the text of this error.

        Returns
        -------
        str
            ``"Forbidden"``.
        """
        return "Forbidden"


class DuplicateIDError(ChromaError):
    """The same id is given twice in one call."""

    chroma_name = wire_name = "DuplicateID"


class InvalidArgumentError(ChromaError):
    """An argument has a value that is not allowed.

    For example a name with wrong characters, a malformed filter, or a vector of another dimension than
    the collection.
    """

    chroma_name = "InvalidArgument"
    wire_name = "InvalidArgumentError"


class InvalidUUIDError(ChromaError):
    """A text should be a UUID and is not. A server can send it."""

    chroma_name = wire_name = "InvalidUUID"


class InvalidHTTPVersion(ChromaError):
    """The server uses another version of HTTP."""

    chroma_name = wire_name = "InvalidHTTPVersion"


class AuthorizationError(ChromaError):
    """The server requires credentials, or the call is not allowed, for example ``reset``."""

    status = 401
    chroma_name = wire_name = "AuthorizationError"


class NotFoundError(ChromaError):
    """A collection, database, tenant or record does not exist."""

    status = 404
    chroma_name = wire_name = "NotFoundError"


class UniqueConstraintError(ChromaError):
    """The name is taken."""

    status = 409
    chroma_name = "UniqueConstraintError"


class BatchSizeExceededError(ChromaError):
    """A call contains more records than the server accepts."""

    status = 413
    chroma_name = wire_name = "BatchSizeExceededError"


class VersionMismatchError(ChromaError):
    """The versions do not match.

    The database was written by a newer chroma_nb, or a server refuses the version of the client.
    """

    status = 500
    chroma_name = wire_name = "VersionMismatchError"


class InternalError(ChromaError):
    """The database could not do what was asked.

    For example the directory is damaged or read-only, the disk is full, or a name is taken.
    """

    status = 500
    chroma_name = wire_name = "InternalError"


class RateLimitError(ChromaError):
    """The server received too many requests. Try again later."""

    status = 429
    chroma_name = wire_name = "RateLimitError"


class QuotaError(ChromaError):
    """A limit of the account is reached."""

    chroma_name = wire_name = "QuotaError"


#: The name an error has on the wire -> its class.
error_types: dict[str, type[ChromaError]] = {
    "InvalidDimension": InvalidDimensionException,
    "InvalidArgumentError": InvalidArgumentError,
    "IDAlreadyExists": IDAlreadyExistsError,
    "DuplicateID": DuplicateIDError,
    "InvalidUUID": InvalidUUIDError,
    "InvalidHTTPVersion": InvalidHTTPVersion,
    "AuthorizationError": AuthorizationError,
    "NotFoundError": NotFoundError,
    "BatchSizeExceededError": BatchSizeExceededError,
    "VersionMismatchError": VersionMismatchError,
    "RateLimitError": RateLimitError,
    "AuthError": ChromaAuthError,
    "UniqueConstraintError": UniqueConstraintError,
    "QuotaError": QuotaError,
    "InternalError": InternalError,
    # Private children are named on the wire by their public parent.
}


# --- Of Chroma's older configuration objects; never raised here, for ``except`` --------------------------
class StaticParameterError(Exception):
    """A parameter that cannot be changed was set. It exists for old programs and is not raised here."""


class InvalidConfigurationError(ValueError):
    """A configuration is not valid. It exists for old programs and is not raised here."""


# --- At the raise site: 1.5.9's class and the older reference's ValueError ------------------------------
class _MissingError(NotFoundError, ValueError, metaclass=ShownAs, shown=NotFoundError):
    """A collection, database or tenant that is not there."""


class _InvalidNameError(InvalidArgumentError, ValueError, metaclass=ShownAs, shown=InvalidArgumentError):
    """A name that Chroma does not allow."""


class _AlreadyExistsError(InternalError, UniqueConstraintError, ValueError, metaclass=ShownAs, shown=InternalError):
    """A name that is taken; 1.5.9's embedded engine calls it InternalError."""

    status = 409
    wire_name = "ChromaError"


class _ResetRefusedError(AuthorizationError, metaclass=ShownAs, shown=AuthorizationError):
    """A reset where none is allowed: 403 from Chroma's server, 401 by Chroma's class."""

    status = 403
    wire_name = "ChromaError"

    def code(self) -> int:
        return AuthorizationError.status


class _NotOfferedError(ChromaError, NotImplementedError, metaclass=ShownAs, shown=NotImplementedError):
    """The server does not have this call."""

    status = 501


# --- Refusals with Python's own classes --------------------------------------------------------------------
E = TypeVar("E", bound=Exception)


def refused(error: E, status: int = 400, wire_name: str = "InvalidArgumentError") -> E:
    """``error``, of one of Python's own classes, marked as meant for the caller: a server says it with this status.

    What a check raises without this mark is a failure of ours to a server, and its message stays in the log.

    >>> refused(TypeError("argument 'ids': expected str, got int")).status
    400
    """
    vars(error).update(status=status, wire_name=wire_name)
    return error


# --- Our own engine ---------------------------------------------------------------------------------------
class _ClosedError(ChromaError, AttributeError, metaclass=ShownAs, shown=AttributeError):  # type: ignore[misc]
    """The client was closed; Chroma raises AttributeError, whose ``name`` gives way to Chroma's ``name()``."""


class _ReadOnlyError(InternalError, metaclass=ShownAs, shown=InternalError):
    """The directory cannot be written."""


class _NoRoomError(InternalError, metaclass=ShownAs, shown=InternalError):
    """The disk is full, the quota used up, or a file as large as it may be."""


class _DamagedError(InternalError, metaclass=ShownAs, shown=InternalError):
    """A file is damaged or is not ours; the message says which and what to do."""
