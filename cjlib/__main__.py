"""`python -m cjlib`: the command line, as `cj`."""

from cjlib.cli import main

if __name__ == "__main__":
    main()
