"""Imports peft, and bitsandbytes if it is installed, when it is imported itself. This takes seconds.

A server of processes imports this module, so that the processes that it forks need not. On machines with a GPU they
import peft themselves, because bitsandbytes initialises the GPU when it is imported.
"""

from adaptx.methods.quantised import without_notes

with without_notes():
    import peft as peft
