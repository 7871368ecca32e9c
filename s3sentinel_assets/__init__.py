"""S3 → Microsoft Sentinel: every log event moved, parsed, scored, and proved hour by hour."""
