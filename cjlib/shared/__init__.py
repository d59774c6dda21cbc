"""What several analyses need: statistics, groups, calendar periods, event arrays, pieces of SQL."""
