"""Readers of the user's own files: CSV, TSV, JSON lines, CoNLL columns, CoNLL-U and CCGbank's derivations."""
