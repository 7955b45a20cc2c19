"""S3, secrets, queues and locks behind ports; the only room that imports boto3."""
