"""The folders of samples: ``cases(folder)`` of each module reads one and ties its field names to our columns."""
