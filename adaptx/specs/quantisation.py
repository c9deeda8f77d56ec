"""Quantisation: frozen linear maps stored in four or eight bits per weight."""

import enum


class Quantisation(enum.Enum):
    """The storage format of frozen weights. Products are computed in the precision of the training.

    NF4 stores four bits per weight, and one eight-bit scale per block of 64 weights (QLoRA, Dettmers et al. 2023,
    arXiv:2305.14314, sections 3.1 and 3.2). INT8 stores one byte per weight, and one fp32 scale per row of a weight
    matrix (LLM.int8, Dettmers et al. 2022, arXiv:2208.07339, section 2.1).
    """

    NF4 = "nf4"
    INT8 = "int8"
