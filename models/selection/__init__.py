"""Who transmits and who receives: the mode selectors and their searches."""
