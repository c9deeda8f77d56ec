"""Export trained or merged models as folders that peft, adapters or transformers can load without adaptx."""
