"""Export finished modules as plain folders, which peft, adapters or transformers can load without adaptx."""
