"""Photographs: teacher and students of stock widths, trained from scratch on a GPU."""
