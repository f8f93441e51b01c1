"""`make test-chroma-js`: what it says of the tests it was given, and of what is missing. It runs without Node."""

from __future__ import annotations

import json

import chroma_javascript
import pytest

FILE, NAME = "query.collection.test.ts", "id filtering it should handle ID filtering with deleted and upserted IDs"


def report(**found: str) -> dict[str, object]:
    """jest's report of tests (``file__name``) and what became of them."""
    of_files: dict[str, list[dict[str, str]]] = {FILE: [{"fullName": NAME, "status": "pending"}]}
    for name, status in found.items():
        file, test = name.split("__")
        of_files.setdefault(f"{file}.test.ts", []).append({"fullName": test, "status": status})
    return {"testResults": [{"name": f"/suite/{file}", "assertionResults": of} for file, of in of_files.items()]}


def test_the_summary_counts_and_says_why_a_test_was_left_out():
    said = chroma_javascript.summary(report(count__one="passed", peek__two="failed"), whole=True).splitlines()
    assert said[0] == "Chroma's JavaScript suite against our server: 1 passed, 1 failed"
    assert said[1].startswith(f"  left out: {FILE}: {NAME}: expects an error for an unknown id")
    assert len(said) == 2


def test_a_test_that_was_left_out_without_a_row_is_an_error():
    with pytest.raises(AssertionError, match=r"without a row \[\('count.test.ts', 'one'\)\]"):
        chroma_javascript.summary(report(count__one="pending"), whole=False)


def test_a_row_that_names_no_test_is_an_error_where_all_were_run(monkeypatch):
    monkeypatch.setitem(chroma_javascript.TESTS, "count.test.ts", {"gone": "a reason"})
    assert "1 passed" in chroma_javascript.summary(report(count__one="passed"), whole=False)
    with pytest.raises(AssertionError, match=r"no such test \[\('count.test.ts', 'gone'\)\]"):
        chroma_javascript.summary(report(count__one="passed"), whole=True)


def test_versions_are_those_of_the_checkout(tmp_path):
    packages = tmp_path / "packages"
    (packages / "chromadb").mkdir(parents=True)
    (packages / "ai-embeddings" / "default-embed").mkdir(parents=True)
    development = {name: "^1.0.0" for name in chroma_javascript.NEEDED if name != "semver"}
    told = {"dependencies": {"semver": "^7.7.1"}, "devDependencies": {**development, "testcontainers": "^10.9.0"}}
    (packages / "chromadb" / "package.json").write_text(json.dumps(told))
    (packages / "ai-embeddings" / "default-embed" / "package.json").write_text('{"version": "0.1.9"}')
    found = chroma_javascript.needs(tmp_path)
    assert set(found) == set(chroma_javascript.NEEDED)
    assert (found["semver"], found["jest"], found["@chroma-core/default-embed"]) == ("^7.7.1", "^1.0.0", "<=0.1.9")


def test_without_node_or_the_tests_it_says_so(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(chroma_javascript.shutil, "which", lambda name: None)
    assert chroma_javascript.main(["--sources", str(tmp_path)]) == 1
    assert "node and npm not found" in capsys.readouterr().err
    monkeypatch.setattr(chroma_javascript.shutil, "which", lambda name: name)
    assert chroma_javascript.main(["--sources", str(tmp_path), "--if-possible"]) == 0
    assert f"got {tmp_path} without clients/new-js" in capsys.readouterr().err


def test_where_git_cannot_fetch_the_tests_it_says_how_to_get_them(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(chroma_javascript, "REPOSITORY", str(tmp_path / "nothing"))
    monkeypatch.setattr(chroma_javascript, "BUILD", tmp_path / "build")
    monkeypatch.setattr(chroma_javascript.shutil, "which", lambda name: name)
    assert chroma_javascript.main([]) == 1
    assert "then make test-chroma-js SOURCES=FOLDER" in capsys.readouterr().err
