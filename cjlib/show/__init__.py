"""How values look to a reader, without anything that draws: numbers in words, tables as HTML."""
