"""AWS CloudTrail: management, data, network activity, Insights and service events, as trails deliver them to S3.

Belongs here: the record's types, the parser, its columns in ``AWSCloudTrail`` and in ASIM's tables, its entities. Does
not belong here: digest files, which are no events.

Source: AWS, "CloudTrail record contents", "CloudTrail userIdentity element", "CloudTrail Insights events" and "Network
activity events" (docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference.html).
"""
