"""Finished modules as plain folders of peft, adapters or transformers, which those libraries load without adaptx."""
