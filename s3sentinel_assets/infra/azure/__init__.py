"""The Azure side: tables, data collection rules, roles and functions, as a template and as they are today.

The steps, each a module: what a configuration needs (``needs``), spread over rules (``rules``), as resources
(``resources``, ``functions``) with expressions (``expressions``), written as ARM (``arm``) or Bicep (``bicep``) into
files (``files``); and read back from Azure (``reading``) and compared (``comparison``). Names and types of columns are
in ``columns``, the service's limits in ``limits``, what a deployment tells in ``outputs``.

Belongs here: nothing but these modules. Does not belong here: anything that changes Azure; deploying is for Azure's own
tools.
"""

from s3sentinel_assets.infra.azure.rules import Options, Plan, plan_infrastructure

__all__ = ["Options", "Plan", "plan_infrastructure"]
