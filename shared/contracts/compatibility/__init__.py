"""What may change from one version of a JSON Schema to the next: Confluent's rules, kept sound."""
