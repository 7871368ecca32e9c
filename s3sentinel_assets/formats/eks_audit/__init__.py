"""Kubernetes audit events, as EKS writes them.

Belongs here: the format and its ASIM columns. Does not belong here: other logs of the control plane.
"""
