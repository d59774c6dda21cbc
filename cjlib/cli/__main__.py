"""`python -m cjlib.cli`."""

from cjlib.cli import main

if __name__ == "__main__":
    main()
