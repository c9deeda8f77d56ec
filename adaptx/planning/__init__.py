"""From a recipe to its plan: recipe files, distinct stages, their identities and names, and refused combinations."""
