"""The report's page: summary, sections per task, and what it does not cover."""
