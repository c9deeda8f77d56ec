"""Export finished modules as plain folders that peft, adapters or transformers loads without adaptx."""
