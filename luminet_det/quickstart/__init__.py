"""Handwritten digits on a CPU: the code behind tools/quickstart.py."""
