"""Registry: models and their evaluations in MLflow, and models read back from there.

Belongs here: logging, versions, aliases, downloads and their verification. Does not belong here: fitting (``anomaly``),
what decides about a promotion (``evaluation.gate``), the folder that scoring reads (``pipeline.champions``).

MLflow is imported when it is first asked for: that takes seconds. The registry is not trusted: the two files of a
detector are all that is read back, as data; no code that lies there is run by the pipeline.
"""
