"""The sizes of the research questions: models, rows, seeds and learning rates as data, one module per question.

`trainings` has the trainings that several questions share.
"""
