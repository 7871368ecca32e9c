"""The errors a user is meant to read: one sentence that names the thing and the way out.

Belongs here: exception types shared by all layers. Does not belong here: handling or exit codes (``cli``).
"""

__all__ = ["ConfigurationError", "LeaseLostError", "UserError"]


class UserError(Exception):
    """A problem the user can mend. Its text is one sentence naming the file, key, object or permission and the fix."""


class ConfigurationError(UserError):
    """The configuration is wrong. The text names the file, the path inside it and the fix."""


class LeaseLostError(Exception):
    """Another worker has taken over this piece of work; whatever this worker made must not be committed."""
