"""From an unknown source to a prepared log: opened, checked, quarantined, sorted."""
