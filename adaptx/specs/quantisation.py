"""How the frozen linear maps of a backbone's layers are stored in four or eight bits per weight."""

import enum


class Quantisation(enum.Enum):
    """The storage format of frozen weights. Products are computed in the precision of the training.

    NF4 stores four bits per weight and one scale per block of 64 weights, and the scales in eight bits (QLoRA, Dettmers
    et al. 2023, arXiv:2305.14314, sections 3.1 and 3.2). INT8 stores one byte per weight and one fp32 scale per row
    (LLM.int8, Dettmers et al. 2022, arXiv:2208.07339, section 2.1).
    """

    NF4 = "nf4"
    INT8 = "int8"
