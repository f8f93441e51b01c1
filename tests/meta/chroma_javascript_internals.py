"""Which tests of Chroma's JavaScript client ``chroma_javascript.py`` leaves out, and why; which it runs besides.

Everything that is not here passes. A reason is a fact about the test, not about us. Of Chroma's repository only the
tests of the package ``chromadb`` are run: those of the packages of embedding functions ask services with keys, or
download models. Chroma's insides are in its server, which this suite only starts: ``chroma_javascript.py`` starts ours.
"""

from __future__ import annotations

_DIFFERS = "expects an error for an unknown id in query({ids}), which docs/compatibility.md lists"
_DOWNLOAD = "downloads a model"
_SEARCH = "Chroma's local server has no search"
_FORKS = "Chroma's local server has no forks"

#: File below the suite's folder ``test`` -> full name of the test -> why it is left out.
TESTS: dict[str, dict[str, str]] = {
    "query.collection.test.ts": {
        "id filtering it should handle ID filtering with deleted and upserted IDs": _DIFFERS,
    },
}

#: File -> test, as it is called there -> why Chroma's suite passes it over (``test.skip``), and why we do, if we do.
SKIPPED: dict[str, dict[str, tuple[str, str | None]]] = {
    "collection.handle.test.ts": {"it should search with pre-computed embeddings": (_SEARCH, None)},
    "collection.test.ts": {
        "it should fork collection": (_FORKS, _DOWNLOAD),
        "it should get fork count": (_FORKS, None),
    },
}
