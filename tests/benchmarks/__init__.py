"""Speed beside other tools, on the same file in the same run: `make bench`."""
