"""The page's requests that write: edit, create, tag, delete, undo. No widgets here.

Each asks ``Seen.writable``, which refuses where the workbench only reads, whatever the page says. What can be undone
is kept in ``changes.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chroma_nb.records import Record
from chroma_nb.types import Json, MetadataValue
from chroma_nb.workbench import fields
from chroma_nb.workbench.changes import Changes, read_records, version
from chroma_nb.workbench.seen import Seen


def edit(seen: Seen, asked: Json) -> Json:
    """Change the record ``id`` that was seen as ``version``.

    ``document`` is a new text, embedded again; ``set`` are fields by key; ``remove`` are keys. What is not named stays.
    """
    changes, id_ = seen.writable(), str(asked["id"])
    given = _values(asked.get("set") or {})
    with changes.lock:
        now = _as_seen(seen, id_, asked.get("version"))
        gone = set(map(str, asked.get("remove") or ()))
        metadata = {key: value for key, value in {**(now.metadata or {}), **given}.items() if key not in gone}
        document = now.document if asked.get("document") is None else str(asked["document"])
        return _written(seen, changes, changes.edit(now, document, metadata))


def _as_seen(seen: Seen, id_: str, seen_version: object) -> Record:
    """The record now, which must be what was seen."""
    now = next(iter(read_records(seen.source.collection, [id_])), None)
    if now is None:
        raise ValueError(f"the record {id_!r} was deleted meanwhile; nothing was changed")
    if version(now) != seen_version:
        raise ValueError(f"the record {id_!r} was changed meanwhile; nothing was changed here. Open it again")
    return now


def create(seen: Seen, asked: Json) -> Json:
    """Add a record of ``id``, ``document`` and fields by key in ``set``; its document is embedded."""
    changes, metadata = seen.writable(), _values(asked.get("set") or {})
    document = asked.get("document") or None
    with changes.lock:
        return _written(seen, changes, changes.create(str(asked.get("id") or ""), document, metadata))


def tag(seen: Seen, asked: Json) -> Json:
    """Give the selected records the value of a ``field`` under ``key``; ``confirmed`` is how many they are."""
    seen.writable()
    key = str(asked.get("key") or "")
    return tag_with(seen, key, fields.value(key, asked["field"]), int(asked.get("confirmed") or 0))


def tag_with(seen: Seen, key: str, value: MetadataValue, confirmed: int) -> Json:
    """As ``tag``, with the value itself."""
    changes = seen.writable()
    with changes.lock:
        return _written(seen, changes, changes.tag(_selected(seen, confirmed), key, value))


def delete(seen: Seen, asked: Json) -> Json:
    """Delete the records ``ids``, or else the selected ones, of which ``confirmed`` says how many they are."""
    changes = seen.writable()
    with changes.lock:
        ids = list(map(str, asked["ids"])) if "ids" in asked else _selected(seen, int(asked.get("confirmed") or 0))
        done = changes.delete(ids)
        seen.selection.remove(ids)
        return _written(seen, changes, done)


def undo(seen: Seen, asked: Json) -> Json:
    """Take back the last change. A deleted record comes back as the last in stored order."""
    changes = seen.writable()
    with changes.lock:
        return _written(seen, changes, changes.undo())


def _values(given: Mapping[str, Json]) -> dict[str, MetadataValue]:
    return {str(key): fields.value(str(key), one) for key, one in given.items()}


def _selected(seen: Seen, confirmed: int) -> Sequence[str]:
    """The selected records, no more and no fewer than the person was told of."""
    ids = seen.selection.ids
    if not ids:
        raise ValueError("nothing is selected")
    if confirmed != len(ids):
        raise ValueError(
            f"the selection has changed: {confirmed:,} records were confirmed, {len(ids):,} are selected; "
            "nothing was changed"
        )
    return ids


def _written(seen: Seen, changes: Changes, done: str) -> Json:
    seen.renewed()
    return {"done": done, "undoable": changes.last}
