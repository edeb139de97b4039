"""The corpus: modules of our own with their sources, and how to get the big real ones."""
