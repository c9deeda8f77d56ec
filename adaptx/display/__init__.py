"""What a person sees of a plan and a run: in a terminal and in a notebook."""
