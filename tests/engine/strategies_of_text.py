"""Texts for Hypothesis: any that UTF-8 can write, now and then ones that look like code."""

from __future__ import annotations

from hypothesis import strategies as st

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    ("", "null", "NaN", "'; DROP TABLE records", '{"a": 1}', "\0", "\u2028", "chroma:x", "<b>", "𝔘", "é")
)
