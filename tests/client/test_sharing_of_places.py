"""Which clients share a place, how long it lives, and what closing means."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from calls_in_a_call import interrupted, lines_of, spread, watchdog

import chroma_nb
from chroma_nb.api.shared_system_client import SharedSystemClient
from chroma_nb.backends.embedded import open_embedded
from chroma_nb.config import Settings
from chroma_nb.engine import opening
from chroma_nb.errors import AuthorizationError, InternalError, NotFoundError

pytestmark = pytest.mark.usefixtures("no_place_is_open")


def test_ephemeral_clients_share_one_store() -> None:
    one, other = chroma_nb.EphemeralClient(), chroma_nb.Client()
    one.create_collection("birds")
    assert other.list_collections()[0].name == "birds"
    assert one._identifier == other._identifier == "ephemeral"


def test_an_ephemeral_store_outlives_a_client_that_is_garbage_collected() -> None:
    chroma_nb.EphemeralClient().create_collection("birds")
    gc.collect()
    assert chroma_nb.EphemeralClient().count_collections() == 1


def test_an_ephemeral_store_ends_when_its_last_client_is_closed() -> None:
    one, other = chroma_nb.EphemeralClient(), chroma_nb.EphemeralClient()
    one.create_collection("birds")
    one.close()
    assert other.count_collections() == 1
    other.close()
    assert chroma_nb.EphemeralClient().count_collections() == 0


def test_clearing_the_cache_begins_a_new_ephemeral_store_and_leaves_the_old_one_to_its_clients() -> None:
    old = chroma_nb.EphemeralClient()
    old.create_collection("birds")
    old.clear_system_cache()
    new = chroma_nb.EphemeralClient()
    assert (old.count_collections(), new.count_collections()) == (1, 0)
    old.close()
    assert new.count_collections() == 0


def test_closing_twice_gives_one_reference_back() -> None:
    one, other = chroma_nb.EphemeralClient(), chroma_nb.EphemeralClient()
    one.close()
    one.close()
    assert other.count_collections() == 0


def test_a_closed_client_answers_with_an_attribute_error() -> None:
    client = chroma_nb.EphemeralClient()
    birds = client.create_collection("birds")
    client.close()
    for call in (client.count_collections, client.heartbeat, birds.count, birds.peek):
        with pytest.raises(AttributeError, match="closed"):
            call()


def test_a_client_that_could_not_be_made_holds_nothing_open() -> None:
    with pytest.raises(NotFoundError):
        chroma_nb.EphemeralClient(tenant="nobody")
    assert SharedSystemClient._identifier_to_system == {}


def test_persistent_clients_share_by_path(tmp_path: Path) -> None:
    one, other = chroma_nb.PersistentClient(tmp_path), chroma_nb.PersistentClient(str(tmp_path))
    one.create_collection("birds")
    assert other.count_collections() == 1
    assert one._system is other._system


def test_two_spellings_of_a_path_are_one_store_with_settings_of_their_own(tmp_path: Path) -> None:
    plain = chroma_nb.PersistentClient(tmp_path)
    resettable = chroma_nb.PersistentClient(f"{tmp_path}/.", Settings(allow_reset=True))
    plain.create_collection("birds")
    assert resettable.count_collections() == 1
    with pytest.raises(AuthorizationError, match="Reset is disabled by config"):
        plain.reset()
    assert resettable.reset()
    assert plain.count_collections() == 0


def test_the_same_place_with_other_settings_is_refused_and_the_first_client_goes_on(tmp_path: Path) -> None:
    client = chroma_nb.PersistentClient(tmp_path)
    with pytest.raises(
        ValueError, match=f"An instance of Chroma already exists for {tmp_path} with different settings"
    ):
        chroma_nb.PersistentClient(tmp_path, Settings(allow_reset=True))
    client.close()
    with chroma_nb.PersistentClient(tmp_path, Settings(allow_reset=True)) as other:
        assert other.reset()


def test_the_refusal_names_the_settings_that_differ_and_shows_no_secret(tmp_path: Path) -> None:
    one = Settings(chroma_client_auth_credentials="tiger", chroma_server_headers={"X-Any": "lion"})
    other = Settings(allow_reset=True, anonymized_telemetry=False, chroma_client_auth_credentials="panther")
    with chroma_nb.PersistentClient(tmp_path, one), pytest.raises(ValueError, match="with different settings") as told:
        chroma_nb.PersistentClient(tmp_path, other)
    words = str(told.value)
    assert words.startswith(f"An instance of Chroma already exists for {tmp_path} with different settings: ")
    assert "allow_reset is False there and True here" in words
    assert "anonymized_telemetry is True there and False here" in words  # Chroma refuses for this one, too
    assert "chroma_client_auth_credentials differs (not shown)" in words
    assert "chroma_server_headers differs (not shown)" in words
    assert not any(secret in words for secret in ("tiger", "lion", "panther"))
    assert "Pass the settings it was opened with, or first close the clients" in words
    assert "persist_directory" not in words


@pytest.mark.parametrize("path", [None, "db"])
def test_a_client_made_in_the_middle_of_making_one_shares_its_place_or_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str | None
) -> None:
    """By a signal handler, or ``__del__``: at any line of it."""
    monkeypatch.chdir(tmp_path)
    made: list[Any] = []

    def another() -> None:
        try:
            made.append(open_embedded(settings_of(path)))
        except InternalError as refused:
            assert "is being opened or imported by this thread" in str(refused)  # noqa: PT017  # either is right

    with watchdog(60):
        lines = lines_of(lambda: open_embedded(settings_of(path)).stop())
        for chosen in spread(lines, 25):
            first, _ = interrupted(lambda: open_embedded(settings_of(path)), another, chosen.__eq__)
            for other in made:
                assert other.engine is first.engine
                assert other.references == (2 if other is first else 1)
                other.close()
            assert first.engine.count_collections("default_tenant", "default_database") == 0
            first.close()
            made.clear()
            SharedSystemClient.clear_system_cache()


@pytest.fixture
def made_just_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """A client that a signal handler makes after another call saw that its directory is not open."""
    made: list[Any] = []
    first_open = opening.first_open

    def interrupted(directory: Path, work: Any) -> Any:
        monkeypatch.setattr(opening, "first_open", first_open)
        made.append(open_embedded(settings_of(str(tmp_path))))
        return first_open(directory, work)

    monkeypatch.setattr(opening, "first_open", interrupted)
    yield made
    for client in made:
        client.close()


def test_a_client_shares_the_engine_that_was_made_just_before(tmp_path: Path, made_just_before: list[Any]) -> None:
    client = open_embedded(settings_of(str(tmp_path)))
    assert [other.engine for other in made_just_before] == [client.engine]
    client.close()


def test_work_on_a_directory_alone_is_refused_when_it_was_opened_just_before(
    tmp_path: Path, made_just_before: list[Any]
) -> None:
    done: list[str] = []
    with pytest.raises(InternalError, match="is in use in this process"):
        opening.SharedEngine.alone(tmp_path, lambda: done.append("worked"))
    assert len(made_just_before) == 1
    assert not done


def settings_of(path: str | None) -> Settings:
    return Settings() if path is None else Settings(is_persistent=True, persist_directory=path)


def test_settings_given_to_a_client_are_not_changed(tmp_path: Path) -> None:
    settings = Settings()
    with chroma_nb.PersistentClient(tmp_path, settings), chroma_nb.EphemeralClient(settings):
        assert settings == Settings()


def test_a_directory_that_was_deleted_and_made_again_is_a_new_place(tmp_path: Path) -> None:
    path = tmp_path / "db"
    before = chroma_nb.PersistentClient(path)
    before.create_collection("birds")
    shutil.rmtree(path)
    after = chroma_nb.PersistentClient(path)
    assert after.count_collections() == 0
    after.create_collection("fish")
    assert after.count_collections() == 1


def test_a_relative_path_means_the_directory_it_names_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clients = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        clients.append(chroma_nb.PersistentClient("db"))
        clients[-1].create_collection(name)
    assert [client.list_collections()[0].name for client in clients] == ["one", "other"]
    assert sorted(os.listdir(tmp_path / "one")) == ["db"]


def test_what_was_closed_can_be_opened_again(tmp_path: Path) -> None:
    for _ in range(2):
        with chroma_nb.PersistentClient(tmp_path) as client:
            client.get_or_create_collection("birds").upsert(ids="wren", embeddings=[1, 0])
            assert client.get_collection("birds").count() == 1


def test_a_program_may_stop_the_system_and_forget_it(tmp_path: Path) -> None:
    client = chroma_nb.PersistentClient(tmp_path)
    client.create_collection("birds")
    client._system.stop()
    SharedSystemClient._identifier_to_system.pop(client._identifier, None)
    assert chroma_nb.PersistentClient(tmp_path).count_collections() == 1
    client.close()


def test_an_admin_client_shares_the_place() -> None:
    client, admin = chroma_nb.EphemeralClient(), chroma_nb.AdminClient()
    admin.create_database("zoo")
    client.set_database("zoo")
    client.close()
    admin.create_database("garden")
    assert [database["name"] for database in admin.list_databases()] == ["default_database", "garden", "zoo"]
    admin.close()
    with pytest.raises(AttributeError):
        admin.list_databases()


def test_an_unknown_implementation_is_refused() -> None:
    with pytest.raises(ValueError, match="Unsupported Chroma API implementation"):
        chroma_nb.Client(Settings(chroma_api_impl="os.system"))


def test_an_empty_path_is_no_directory() -> None:
    with pytest.raises(ValueError, match="expected the path of a directory"):
        chroma_nb.PersistentClient("")


def test_settings_choose_what_an_acknowledged_call_survives(tmp_path):
    settings = chroma_nb.Settings(chroma_nb_durability="process")
    with chroma_nb.PersistentClient(tmp_path / "fast", settings) as client:
        client.create_collection("birds", embedding_function=None).add(ids="wren", embeddings=[1, 0])
    with chroma_nb.PersistentClient(tmp_path / "fast") as client:
        assert client.get_collection("birds").count() == 1
    with pytest.raises(ValueError, match="expected 'power' or 'process', got 'luck'"):
        chroma_nb.Settings(chroma_nb_durability="luck")


@pytest.mark.parametrize("client", ["EphemeralClient()", "PersistentClient('db')"])
def test_a_program_that_closes_nothing_ends_without_a_word(tmp_path: Path, client: str) -> None:
    program = (
        "import chroma_nb\n"
        f"collection = chroma_nb.{client}.create_collection('kept', embedding_function=None)\n"
        "collection.add(ids=['a'], embeddings=[[1, 2]])\n"
        "print(collection.query(query_embeddings=[[1, 2]], n_results=1)['ids'])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[['a']]\n", "")
