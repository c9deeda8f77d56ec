"""In how few digits the frozen linear maps of a backbone's layers are stored."""

import enum


class Quantisation(enum.Enum):
    """How a frozen weight is stored; it is multiplied in the training's own precision.

    NF4: four bits a weight, scaled in blocks of 64, and the scales themselves in eight bits (QLoRA, Dettmers et al.
    2023, arXiv:2305.14314, sections 3.1 and 3.2). INT8: one byte a weight, and an fp32 scale a row (LLM.int8, Dettmers
    et al. 2022, arXiv:2208.07339, section 2.1).
    """

    NF4 = "nf4"
    INT8 = "int8"
