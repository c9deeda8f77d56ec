"""Tables and JSON that commands print: the catalog, its prompts and examples, and memory predictions."""
