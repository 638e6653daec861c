"""The page of a run: one HTML file that says how good it is, where it fails, and what to do next."""
