"""From plan to results: what executes a stage, and what orders and places stages."""
