"""`python -m textmill`: the command line."""

import sys

from textmill.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
