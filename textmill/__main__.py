"""`python -m textmill`: the command line."""

from textmill.cli.main import main

if __name__ == "__main__":
    main()
