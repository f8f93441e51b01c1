"""The tenant and database of a new client: those that the caller names, else those that the credentials allow."""

from __future__ import annotations

from chroma_nb.config import DEFAULT_DATABASE, DEFAULT_TENANT
from chroma_nb.errors import ChromaAuthError
from chroma_nb.types import UserIdentity


def place(identity: UserIdentity, inferred: bool, tenant: str | None, database: str | None) -> tuple[str, str]:
    """``(tenant, database)`` for a caller who asked for ``tenant`` and ``database``.

    ``inferred`` is the setting ``chroma_overwrite_singleton_tenant_database_access_from_auth``: credentials that
    open one tenant or one database only then decide where nothing, or the default, was asked for. ChromaAuthError
    when they open another one than was asked for, or when nobody names one.

    >>> place(UserIdentity("me", "acme", ["birds"]), True, None, None)
    ('acme', 'birds')
    >>> place(UserIdentity("me", "acme", ["birds"]), False, "default_tenant", "fish")
    ('default_tenant', 'fish')
    """
    chosen_tenant, chosen_database = maybe_set_tenant_and_database(identity, inferred, tenant, database)
    return _named("a tenant", chosen_tenant), _named("a database name", chosen_database)


def _named(what: str, chosen: str | None) -> str:
    if chosen is None:
        raise ChromaAuthError(
            f"Could not determine {what} from the current authentication method. Please provide {what}."
        )
    return chosen


def maybe_set_tenant_and_database(
    user_identity: UserIdentity,
    overwrite_singleton_tenant_database_access_from_auth: bool,
    user_provided_tenant: str | None = None,
    user_provided_database: str | None = None,
) -> tuple[str | None, str | None]:
    """As ``place``, by Chroma's name and arguments: None where nobody names one.

    >>> maybe_set_tenant_and_database(UserIdentity("me", "acme"), True)
    ('acme', None)
    """
    inferred = overwrite_singleton_tenant_database_access_from_auth
    own_tenant, own_database = _only_choice(user_identity) if inferred else (None, None)
    return (
        _choose("Tenant", user_provided_tenant, own_tenant, DEFAULT_TENANT),
        _choose("Database", user_provided_database, own_database, DEFAULT_DATABASE),
    )


def _only_choice(identity: UserIdentity) -> tuple[str | None, str | None]:
    tenant = identity.tenant if identity.tenant != "*" else None
    databases = set(identity.databases or [])
    database = databases.pop() if len(databases) == 1 and "*" not in databases else None
    return tenant or None, database


def _choose(title: str, asked: str | None, own: str | None, default: str) -> str | None:
    if own and asked and asked not in (default, own):
        raise ChromaAuthError(
            f"{title} {asked} does not match {own} from the server. Are you sure the {title.lower()} is correct?"
        )
    if own and (not asked or asked == default):
        return own
    return asked
