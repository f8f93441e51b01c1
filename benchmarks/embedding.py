"""Embedding side by side with chromadb, on the same ONNX file: texts a second, and the time to a first answer.

    python benchmarks/embedding.py                       # the packaged 8-bit file, in Chroma's cache layout
    python benchmarks/embedding.py --model model.onnx    # another file of the model

Each measurement is a process of its own with a home of its own, chromadb and chroma_nb in turn, and the best of
``--repeat`` counts. Run it on a quiet machine. The table goes to standard output as Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from chroma_nb.embedding_functions import models, onnx_minilm

SYSTEMS = ("chroma_nb", "chromadb")
#: Kind of text -> (words in one, texts embedded, what the ratio to chromadb must reach).
KINDS = {"one line": (9, 256, 13.0), "100 tokens": (97, 96, 2.0), "256 tokens": (253, 64, 1.0)}
SENTENCE = "the small brown bird sings at dawn while rivers carry cold water from high mountains down to quiet towns"

RATE = """
import json, sys, time
from {system}.utils.embedding_functions import ONNXMiniLM_L6_V2
texts = json.loads(sys.stdin.read())
function = ONNXMiniLM_L6_V2()
function(["a first text, for the model to be loaded"])
start = time.perf_counter()
function(texts)
print(len(texts) / (time.perf_counter() - start))
"""
FIRST = """
import json, sys, time
start = time.perf_counter()
import {system}
texts = json.loads(sys.stdin.read())
collection = {system}.EphemeralClient().create_collection("first")
collection.add(ids=[str(number) for number in range(len(texts))], documents=texts)
collection.query(query_texts=["a bird"])
print(time.perf_counter() - start)
"""


def texts(words: int, count: int) -> list[str]:
    """``count`` different texts of ``words`` words, each of which is one token."""
    one = SENTENCE.split()
    return [
        " ".join(one[(start * 7 + step * (1 + start % 5)) % len(one)] for step in range(words)) + f" {start}"
        for start in range(count)
    ]


def home_with(model: Path, folder: Path) -> Path:
    """A home in whose cache Chroma finds ``model``."""
    cache = folder / ".cache" / "chroma" / "onnx_models" / models.MODEL_NAME / models.EXTRACTED_FOLDER_NAME
    cache.mkdir(parents=True)
    for name in models.ARCHIVE_MEMBERS:
        (cache / name).write_text("{}")
    shutil.copy(model, cache / "model.onnx")
    onnx_minilm._tokenizer().save(str(cache / "tokenizer.json"))
    return folder


def measured(script: str, system: str, given: list[str], home: Path) -> float:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script.format(system=system)],
        input=json.dumps(given),
        env={**os.environ, "HOME": str(home), "CHROMA_NB_PROGRESS": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout.split()[-1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=models.packaged_model())
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--share", type=float, default=1.0, help="of the texts, for a quick look")
    options = parser.parse_args()
    print("| | chroma_nb | chromadb | ratio | wanted |\n| --- | --: | --: | --: | --: |")
    reached = True
    with tempfile.TemporaryDirectory() as folder:
        home = home_with(options.model, Path(folder))
        for kind, (words, count, wanted) in KINDS.items():
            given = texts(words, max(1, int(count * options.share)))
            best = dict.fromkeys(SYSTEMS, 0.0)
            for _ in range(options.repeat):
                for system in SYSTEMS:
                    best[system] = max(best[system], measured(RATE, system, given, home))
            ours, theirs = (best[system] for system in SYSTEMS)
            ratio = ours / theirs
            reached &= ratio >= wanted
            print(f"| {kind}, texts a second | {ours:.0f} | {theirs:.0f} | {ratio:.1f} | {wanted} |")
        given = texts(9, max(1, int(100 * options.share)))
        least = {system: min(measured(FIRST, system, given, home) for _ in range(options.repeat)) for system in SYSTEMS}
        ratio = least["chromadb"] / least["chroma_nb"]
        print(
            f"| import to first answer, 100 texts, seconds | {least['chroma_nb']:.1f} | {least['chromadb']:.1f} "
            f"| {ratio:.1f} | 1.0 |"
        )
    return 0 if reached and ratio >= 1 else 1


if __name__ == "__main__":
    sys.exit(main())
