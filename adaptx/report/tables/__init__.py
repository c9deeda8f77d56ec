"""The report's tables as cells of plain text, and how they are drawn."""
