"""Scanners: a call in, a verdict out."""
