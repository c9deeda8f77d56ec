"""What a stage costs, measured."""
