"""Runs over settings and seeds: what to train, one file a run, and what the files say."""
