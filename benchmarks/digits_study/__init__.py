"""Students on the quickstart's digits, scored on two sets: one to choose settings by and one to report."""
