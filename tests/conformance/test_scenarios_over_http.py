"""The recorded scenarios of Chroma 1.5.9 over our server: by our client, and by Chroma's own.

What was recorded in one process goes the same over HTTP, but for what the wire makes different in Chroma
too. Those steps are listed, and must differ: a list that is too long is an error as well.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import chroma_nb
from chroma_nb.client.shared_system_client import SharedSystemClient

_spec = importlib.util.spec_from_file_location("conformance_replay_http", Path(__file__).with_name("replay.py"))
assert _spec is not None
assert _spec.loader is not None
conformance = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(conformance)

SCENARIOS = [scenario for scenario in conformance.scenarios() if conformance.runs_on_disk(scenario)]

#: Scenario -> steps that differ for every client of a server: JSON has no NaN and no infinity, a body that is
#: not understood is one error of the wire, whatever Python would have called it.
OF_THE_WIRE: dict[str, set[int]] = {
    "metadata.value[nan]": {2, 3, 4, 5},
    "metadata.value[inf]": {2, 3, 4, 5},
    "collection.metadata[none_value]": {1},
    "collection.metadata[nested]": {1},
    "collection.metadata[string]": {1},
    "collection.metadata[list]": {1},
    "metadata.value[none_and_other]": {2},
    "query.bad_embedding": {10},
    "query.n_results": {13},
}
#: For our client: a limit is checked by the server, not by a binding.
OF_OUR_CLIENT: dict[str, set[int]] = {"collection.list": {21, 22}}
#: For Chroma's client: over HTTP it knows a taken name, a refused reset and what a server does not offer as
#: ChromaError only, has no use-after-close error, sends limits and flags unchecked, and answers "data" differently.
OF_CHROMAS_CLIENT: dict[str, set[int]] = {
    "client.reset_forbidden": {2},
    "client.use_after_close": {3},
    "admin.tenants": {6},
    "collection.create_duplicate": {2},
    "collection.list": {21, 22, 23},
    "collection.modify_configuration": {7},
    "collection.local_unsupported": {7, 8, 9},
    "add.uris_types": {2},
    'query.include[["data"]]': {3},
    "query.n_results": {12},
}


class OverHttp:
    """A module of Chroma's surface whose ephemeral clients are clients of a server."""

    def __init__(self, module: ModuleType, port: int) -> None:
        self._module, self._port = module, port

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def EphemeralClient(self, settings: Any = None, **place: Any) -> Any:  # noqa: N802
        return self._module.HttpClient(port=self._port, settings=settings, **place)

    def AdminClient(self, settings: Any = None) -> Any:  # noqa: N802
        chosen = settings or self._module.Settings()
        chosen.chroma_api_impl = "chromadb.api.fastapi.FastAPI"
        chosen.chroma_server_host, chosen.chroma_server_http_port = "localhost", self._port
        return self._module.AdminClient(chosen)


@pytest.fixture(scope="module")
def store() -> Iterator[Any]:
    with chroma_nb.EphemeralClient(chroma_nb.Settings(allow_reset=True)) as client:
        SharedSystemClient.clear_system_cache()
        yield client


@pytest.fixture(scope="module")
def ports(store: Any) -> Iterator[dict[bool, int]]:
    """Whether a reset is allowed -> the port of a server."""
    with chroma_nb.serve(store, port=0) as strict, chroma_nb.serve(store, port=0, allow_reset=True) as lenient:
        yield {False: strict.port, True: lenient.port}


#: Chroma ignores the settings for a collection that exists without a word.
pytestmark = pytest.mark.filterwarnings("ignore:The collection .* exists with:UserWarning")


def _name(scenario: dict[str, Any]) -> str:
    return scenario["name"].encode("ascii", "backslashreplace").decode()


@pytest.mark.parametrize("library", ["chroma_nb", "chromadb"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=_name)
@pytest.mark.usefixtures("closed_connections")
def test_a_scenario_goes_over_http_as_in_one_process(
    scenario: dict[str, Any], library: str, store: Any, ports: dict[bool, int]
) -> None:
    store.reset()
    port = ports['"allow_reset": true' in json.dumps(scenario)]
    module: Any = OverHttp(importlib.import_module(library), port)
    _, failures, _ = conformance.replay(module, scenario)
    of_the_client = OF_OUR_CLIENT if library == "chroma_nb" else OF_CHROMAS_CLIENT
    expected = OF_THE_WIRE.get(scenario["name"], set()) | of_the_client.get(scenario["name"], set())
    differing = {int(found[1]) for failure in failures if (found := re.search(r" step (\d+) ", failure))}
    assert differing == expected, "\n".join(failures)
