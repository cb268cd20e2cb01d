"""Exports, imports and comparisons of whole projects."""
