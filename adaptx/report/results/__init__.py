"""What the stored scores say before any comparison: measurements, their variants, pairs of rows, suites."""
