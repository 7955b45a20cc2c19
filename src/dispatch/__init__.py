"""The dispatcher's doors to people and programs: the HTTP API, the metrics and the web page."""
