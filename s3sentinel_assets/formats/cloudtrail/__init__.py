"""AWS CloudTrail: management, data, network activity and service events, as trails deliver them to S3.

Belongs here: the record's types, the parser, its columns in ``AWSCloudTrail`` and its entities. Does not belong here:
digest files and Insights, which are formats of their own.
"""
