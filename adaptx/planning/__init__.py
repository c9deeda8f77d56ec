"""From a recipe to its plan: recipe files, the distinct stages, what identifies and names each, and what is refused."""
