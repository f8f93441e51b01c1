"""Every recorded scenario of Chroma 1.5.9, as a test: as it was recorded, and on disk where that makes sense."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

import chroma_nb

_spec = importlib.util.spec_from_file_location("conformance_replay", Path(__file__).with_name("replay.py"))
assert _spec is not None
assert _spec.loader is not None
conformance = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(conformance)

SCENARIOS = conformance.scenarios()


#: Chroma ignores the settings for a collection that exists without a word.
pytestmark = pytest.mark.filterwarnings("ignore:The collection .* exists with:UserWarning")


def _name(scenario: dict[str, Any]) -> str:
    return scenario["name"].encode("ascii", "backslashreplace").decode()


@pytest.fixture(autouse=True)
def _no_place_is_open() -> None:
    chroma_nb.Client.__module__  # the package resolves
    from chroma_nb.client.shared_system_client import SharedSystemClient

    SharedSystemClient.clear_system_cache()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=_name)
def test_a_scenario_goes_as_in_chroma(scenario: dict[str, Any]) -> None:
    passed, failures, counted = conformance.replay(chroma_nb, scenario)
    assert not failures, "\n".join(failures)
    assert passed == counted


@pytest.mark.parametrize("scenario", [s for s in SCENARIOS if conformance.runs_on_disk(s)], ids=_name)
def test_a_scenario_goes_as_in_chroma_on_disk(scenario: dict[str, Any]) -> None:
    passed, failures, counted = conformance.replay(chroma_nb, scenario, on_disk=True)
    assert not failures, "\n".join(failures)
    assert passed == counted


def test_the_recording_is_whole() -> None:
    steps = [step for scenario in SCENARIOS for step in scenario["steps"]]
    assert (len(SCENARIOS), len(steps), sum("deviation" in step for step in steps)) == (264, 1554, 15)


#: Where Chroma's local version refuses what its cloud does, we do it: deviation 3.
AS_IN_THE_CLOUD = {
    "collection.local_unsupported": [2, 3, 4, 5, 6],
    "metadata.value[sparse]": [2, 3, 4, 5],
    "schema.sparse_index_local": [3],
}


def test_the_steps_that_deviate_are_those_of_the_cloud_alone() -> None:
    tagged: dict[str, list[int]] = {}
    for scenario in SCENARIOS:
        for number, step in enumerate(scenario["steps"]):
            if step.get("deviation") == 3:
                tagged.setdefault(scenario["name"], []).append(number)
    assert tagged == AS_IN_THE_CLOUD
