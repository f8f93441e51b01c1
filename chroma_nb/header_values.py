"""Values of HTTP headers, which may be secrets: made fit to be sent, or refused without being shown."""

from __future__ import annotations


def header_value(name: str, value: str) -> str:
    """``value`` without white space around it, as a token has that was read from a file.

    ValueError, which does not show it, for what no header can carry: HTTP's own library would show it.

    >>> header_value("X-Chroma-Token", "hush\\n")
    'hush'
    """
    stripped = value.strip()
    wrong = [place for place, character in enumerate(stripped) if not (" " <= character <= "~" or character == "\t")]
    if wrong:
        raise ValueError(
            f"expected the value of the header {name} (a token, a key; not shown here) to be printable ASCII, got "
            f"another character at position {wrong[0]}; was it copied or read whole, and without quotes or line breaks?"
        )
    return stripped
