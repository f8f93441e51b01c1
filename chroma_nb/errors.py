"""What can go wrong, with Chroma's names::

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

Where the older reference promises a ``ValueError``, the private children below are raised: they
are what 1.5.9 raises and a ``ValueError`` too, so that code written for either works.
"""

from __future__ import annotations

from typing import ClassVar


class ChromaError(Exception):
    """The base of every error of this package; ``trace_id`` is set when a server gave one."""

    status: ClassVar[int] = 400
    wire_name: ClassVar[str] = "ChromaError"
    trace_id: str | None = None

    def code(self) -> int:
        """The HTTP status that stands for this error."""
        return self.status

    def message(self) -> str:
        """What happened, for a reader."""
        return ", ".join(map(str, self.args))

    @classmethod
    def name(cls) -> str:
        """Chroma's name of this error."""
        return cls.wire_name


class InvalidDimensionException(ChromaError):
    """A vector's length does not fit the collection. Kept for old code: 1.5.9 raises InvalidArgumentError."""

    wire_name = "InvalidDimension"


class IDAlreadyExistsError(ChromaError):
    """A record with this id exists."""

    status = 409
    wire_name = "IDAlreadyExists"


class ChromaAuthError(ChromaError):
    """The server refuses these credentials."""

    status = 403
    wire_name = "AuthError"

    def message(self) -> str:
        return "Forbidden"


class DuplicateIDError(ChromaError):
    """One call names the same id twice."""

    wire_name = "DuplicateID"


class InvalidArgumentError(ChromaError):
    """A value that the engine cannot take."""

    wire_name = "InvalidArgument"


class InvalidUUIDError(ChromaError):
    """A text that should be a UUID is not."""

    wire_name = "InvalidUUID"


class InvalidHTTPVersion(ChromaError):
    """The server speaks another version of HTTP."""

    wire_name = "InvalidHTTPVersion"


class AuthorizationError(ChromaError):
    """Not allowed, or not known who asks."""

    status = 401
    wire_name = "AuthorizationError"


class NotFoundError(ChromaError):
    """What was named does not exist."""

    status = 404
    wire_name = "NotFoundError"


class UniqueConstraintError(ChromaError):
    """The name is taken."""

    status = 409
    wire_name = "UniqueConstraintError"


class BatchSizeExceededError(ChromaError):
    """More records in one call than the server takes."""

    status = 413
    wire_name = "BatchSizeExceededError"


class VersionMismatchError(ChromaError):
    """The other side speaks another version."""

    status = 500
    wire_name = "VersionMismatchError"


class InternalError(ChromaError):
    """The engine could not do what was asked, for a reason of its own."""

    status = 500
    wire_name = "InternalError"


class RateLimitError(ChromaError):
    """Too many requests; try again later."""

    status = 429
    wire_name = "RateLimitError"


class QuotaError(ChromaError):
    """A limit of the account is reached."""

    wire_name = "QuotaError"


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
    # Private children at the raise site are named on the wire by their public parent: see wire_name_of.
}


# --- Of Chroma's older configuration objects; never raised here, for ``except`` --------------------------
class StaticParameterError(Exception):
    """A parameter that cannot change was set."""


class InvalidConfigurationError(ValueError):
    """A configuration that means nothing."""


# --- At the raise site: 1.5.9's class and the older reference's ValueError ------------------------------
class _MissingError(NotFoundError, ValueError):
    """A collection, database or tenant that is not there."""


class _InvalidNameError(InvalidArgumentError, ValueError):
    """A name that Chroma does not allow."""


class _AlreadyExistsError(InternalError, UniqueConstraintError, ValueError):
    """A name that is taken; 1.5.9's embedded engine calls it InternalError."""

    status = 409


# --- Our own engine ---------------------------------------------------------------------------------------
class _ClosedError(ChromaError, AttributeError):  # type: ignore[misc]  # AttributeError.name gives way to Chroma's name()
    """The client was closed; Chroma raises AttributeError."""


class _ReadOnlyError(InternalError):
    """The directory cannot be written."""


class _NoRoomError(InternalError):
    """The disk is full, the quota used up, or a file as large as it may be."""


class _DamagedError(InternalError):
    """A file is damaged or is not ours; the message says which and what to do."""
