"""``python -m chroma_nb COMMAND``: the command line, also where the script is not on the path."""

import sys

from chroma_nb.cli import main

if __name__ == "__main__":
    sys.exit(main())
