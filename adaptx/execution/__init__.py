"""From plan to results: how each kind of stage is carried out, and in which order and on which device."""
