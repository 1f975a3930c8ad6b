"""`python -m streams` is `vigie`."""

import sys

from streams.cli import main

# A spawned worker imports this module under another name and must not start the command again.
if __name__ == "__main__":
    sys.exit(main())
