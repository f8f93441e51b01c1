"""Which tenant and database a client works in when credentials speak of some."""

from __future__ import annotations

import pytest

from chroma_nb.client.identity import place
from chroma_nb.errors import ChromaAuthError
from chroma_nb.types import UserIdentity

ACME = UserIdentity("me", "acme", ["birds"])
ANYWHERE = UserIdentity("me", "*", ["*"])
SEVERAL = UserIdentity("me", "acme", ["birds", "fish"])


@pytest.mark.parametrize(
    ("identity", "inferred", "tenant", "database", "expected"),
    [
        (ACME, True, None, None, ("acme", "birds")),
        (ACME, True, "default_tenant", "default_database", ("acme", "birds")),
        (ACME, True, "acme", "birds", ("acme", "birds")),
        (ACME, False, "default_tenant", "zoo", ("default_tenant", "zoo")),
        (ANYWHERE, True, "mine", "zoo", ("mine", "zoo")),
        (SEVERAL, True, None, "fish", ("acme", "fish")),
        (UserIdentity("", None, None), True, "default_tenant", "zoo", ("default_tenant", "zoo")),
    ],
)
def test_credentials_that_open_one_place_decide_where_nobody_else_does(
    identity: UserIdentity, inferred: bool, tenant: str | None, database: str | None, expected: tuple[str, str]
) -> None:
    assert place(identity, inferred, tenant, database) == expected


@pytest.mark.parametrize(
    ("identity", "tenant", "database", "message"),
    [
        (ACME, "other", None, "Tenant other does not match acme from the server"),
        (ACME, None, "fish", "Database fish does not match birds from the server"),
        (ANYWHERE, None, "zoo", "Please provide a tenant"),
        (SEVERAL, None, None, "Please provide a database name"),
    ],
)
def test_a_place_the_credentials_do_not_open_is_an_error(
    identity: UserIdentity, tenant: str | None, database: str | None, message: str
) -> None:
    with pytest.raises(ChromaAuthError) as caught:
        place(identity, True, tenant, database)
    assert message in str(caught.value.args[0])
