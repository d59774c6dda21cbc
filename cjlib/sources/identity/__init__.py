"""One person from many ids: which ids belong together, by explicit links only, and where ids probably split."""
