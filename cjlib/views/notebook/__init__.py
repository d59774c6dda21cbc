"""What a notebook shows beside figures: cards, tables, explorers."""
