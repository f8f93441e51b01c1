"""Limit the open collections of this process, over all databases: those unused longest are released.

An open collection has its rows in memory, its vector file, and maps of that file and of files in ``cache/``; each map
keeps a descriptor. Releasing a collection closes nothing that is in use: readers and writers refer to what they use,
and the last one closes it. The next call opens the collection again, as another process would. Databases in memory
have no descriptors, and are not counted.
"""

from __future__ import annotations

import itertools
import resource
import weakref
from typing import Final, Protocol

from chroma_nb.engine.index.codes import BLOCK_ROWS
from chroma_nb.engine.memory.collection import CollectionInMemory
from chroma_nb.engine.storage.stores import VectorStores

#: Orders the moments of use.
_CLOCK: Final = itertools.count()
#: The share of a process's descriptors (``ulimit -n``) for open collections, and the most of them.
_SHARE: Final = 2
_MOST: Final = 2048
#: Descriptors: the file of vectors and its map.
_OF_VECTORS: Final = 2
#: Descriptors: the maps of rows, codes and words, which only large collections have.
_OF_CACHE: Final = 3


class Holder(Protocol):
    """An object that has the open collections of one database, by number."""

    memories: dict[int, CollectionInMemory]
    stores: VectorStores
    #: A hint: a missing collection was not used since it was released.
    last_used: dict[int, int]


#: All holders; a dead reference is ignored. Copying a dict cannot be interrupted.
_HOLDERS: dict[int, weakref.ref[Holder]] = {}


def count(holder: Holder) -> None:
    """Count the open collections of ``holder`` from now on, as long as it exists."""
    key = next(_CLOCK)
    _HOLDERS[key] = weakref.ref(holder)
    weakref.finalize(holder, _HOLDERS.pop, key, None).atexit = False


def most_descriptors() -> int:
    """The most descriptors that open collections may take."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if limit == resource.RLIM_INFINITY else min(_MOST, limit // _SHARE)


def use(holder: Holder, number: int) -> None:
    """A collection is about to be used: make room for it, and release it last."""
    if number not in holder.last_used:
        _make_room()
    holder.last_used[number] = next(_CLOCK)


def _make_room() -> None:
    """Release the collections unused longest, until there is room for one more."""
    holders = [holder for reference in list(_HOLDERS.values()) if (holder := reference()) is not None]
    found = [
        (holder.last_used.get(number, -1), place, number, _descriptors(holder, number))
        for place, holder in enumerate(holders)
        for number in {*list(holder.memories), *holder.stores.numbers()}
    ]
    excess = sum(of_one for *_, of_one in found) + _OF_VECTORS + _OF_CACHE - most_descriptors()
    for _, place, number, of_one in sorted(found):
        if excess <= 0:
            return
        let_go(holders[place], number)
        excess -= of_one


def _descriptors(holder: Holder, number: int) -> int:
    memory = holder.memories.get(number)
    return _OF_VECTORS + (_OF_CACHE if memory is not None and memory.next_slot >= BLOCK_ROWS else 0)


def let_go(holder: Holder, number: int) -> None:
    """Release one collection."""
    holder.last_used.pop(number, None)
    holder.memories.pop(number, None)
    holder.stores.forget(number)
