"""Files of the user's own as they are written: CSV, TSV, JSON lines, CoNLL columns, CoNLL-U, CCGbank's derivations."""
