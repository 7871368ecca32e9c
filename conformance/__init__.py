"""Conformance: published samples of log formats, parsed, and every field compared with what their publishers expect.

Belongs here: reading the samples (``folders``, one module for each folder of them), parsing them as users would, the
comparison, the report. Does not belong here: the log parser, and the samples, which are not part of the project.
"""
