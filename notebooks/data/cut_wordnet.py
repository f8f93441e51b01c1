"""How the files wordnet-* were cut from the whole of WordNet 3.0.

    python notebooks/data/cut_wordnet.py GLOSSES.csv.gz VECTORS-f16.npy

Familiar nouns of ten categories. A word counts as familiar the more meanings it has
(everyday words have many) and belongs to the category of most of its meanings. Not
needed to use the sample; here so that it can be cut again, larger or otherwise.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

CATEGORIES = [
    "animal",
    "artifact",
    "body",
    "feeling",
    "food",
    "person",
    "phenomenon",
    "plant",
    "substance",
    "time",
]
PER_CATEGORY = 300
OUT = Path(__file__).parent


def familiar(glosses: pd.DataFrame) -> pd.DataFrame:
    """The rows to keep, in WordNet's order."""
    words = glosses.assign(word=glosses["synonyms"].str.split("|")).explode("word")
    meanings = words["word"].value_counts()
    in_category = words.groupby(["word", "category"]).size()
    nouns = glosses[
        glosses["category"].isin([f"noun.{name}" for name in CATEGORIES])
    ].copy()
    nouns["meanings"] = nouns["word"].map(meanings)
    here = in_category.reindex(
        pd.MultiIndex.from_frame(nouns[["word", "category"]])
    ).to_numpy()
    nouns["category"] = nouns["category"].str.removeprefix("noun.")
    plain = nouns["word"].str.fullmatch(r"[a-z]{3,12}") & ~nouns["word"].isin(
        ["nan", "null", "none"]
    )
    short = nouns["definition"].str.len().between(15, 120)
    chosen = nouns[plain & short & (here / nouns["meanings"] >= 0.5)]
    chosen = chosen.sort_values(
        ["meanings", "synonym_count"], ascending=False, kind="stable"
    )
    return (
        chosen.drop_duplicates("word")
        .groupby("category")
        .head(PER_CATEGORY)
        .sort_index()
    )


def main(glosses_path: str, vectors_path: str) -> None:
    """Write the files beside this one."""
    glosses = pd.read_csv(glosses_path, keep_default_na=False)
    kept = familiar(glosses)
    vectors = np.load(vectors_path, mmap_mode="r")[kept.index.to_numpy()]
    np.save(OUT / "wordnet-nouns.f16.npy", vectors)
    columns = ["id", "word", "definition", "category", "meanings"]
    kept[columns].to_csv(OUT / "wordnet-nouns.csv", index=False)
    examples = kept.loc[kept["examples"] != "", ["examples", "id"]].set_axis(
        ["query", "expected"], axis=1
    )
    examples["query"] = examples["query"].str.split(" | ", regex=False).str[0]
    examples.to_csv(OUT / "wordnet-examples.csv", index=False)
    print(f"{len(kept)} nouns, {dict(kept['category'].value_counts())}")


if __name__ == "__main__":
    main(*sys.argv[1:])
