"""What a call of an AWS API does, by the verb that its name begins with.

Source: Microsoft, "ASIM Audit Event normalization schema reference" (the values of ``EventType``).

Belongs here: name → ``EventType``. Does not belong here: single calls; a name that begins with no known verb is
``Other``, or ``Read`` where the event says that it was read-only.
"""

import polars as pl

__all__ = ["event_type"]

# In this order: the first that fits counts.
_VERBS = {
    "Execute": (
        "Start\\w*Execution|StartQuery|StartSession|RunTask|RunCommand|RunScheduledInstances|Invoke|Execute|Send|Publish"
        "|Assume|Decrypt|Encrypt|ReEncrypt|Generate|Sign|Verify|Evaluate|Converse|Transact"
    ),
    "Create": "Create|Run|Register|Import|Allocate|Launch|Copy|Clone|Add|Issue|Purchase|Restore|Request|Submit|Upload",
    "Delete": "Delete|BatchDelete|Remove|Deregister|Terminate|Release|Purge|Destroy|Leave",
    "Enable": "Enable|Activate",
    "Disable": "Disable|Deactivate",
    "Start": "Start|Reboot|Restart|Resume",
    "Stop": "Stop|Cancel|Abort|Suspend|Pause",
    "Read": (
        "Get|BatchGet|Describe|List|Head|Lookup|Search|Query|Scan|Select|View|Download|Check|Test|Filter|Simulate"
        "|Validate|Estimate|Preview|Receive"
    ),
    "Set": (
        "Put|BatchPut|BatchWrite|BatchUpdate|Update|Modify|Set|Change|Attach|Detach|Associate|Disassociate|Authorize"
        "|Revoke|Tag|Untag|Replace|Reset|Assign|Unassign|Accept|Reject|Apply|Move|Rotate|Configure|Upgrade|Complete"
        "|Merge|Share|Lock|Unlock|Schedule|Swap|Transfer|Write|Edit|Rename"
    ),
}


def event_type(name: str, read_only: str | None = None) -> pl.Expr:
    """``EventType`` of an audit event, never null.

    Args:
        name: String column with the call's name, such as ``RunInstances``.
        read_only: Boolean column that says whether nothing was changed; None: there is none.
    """
    # The verb ends where the next word begins, so that Listen is no List; of two that fit the longer is meant.
    found = [
        pl.when(pl.col(name).str.contains(rf"^(?:{verbs})(?:[A-Z0-9_]|$)")).then(pl.lit(kind))
        for kind, verbs in _VERBS.items()
    ]
    if read_only is not None:
        found.append(pl.when(read_only).then(pl.lit("Read")))
    return pl.coalesce(*found, pl.lit("Other"))
