"""Handwritten digits on a CPU: what tools/quickstart.py is made of."""
