"""Runs over settings and seeds: what to train, one file per run, and what the files contain."""
