"""Git hosts: what their webhooks say, and what their APIs read and write."""
