"""Views of a plan and a run for people, in a terminal and in a notebook."""
