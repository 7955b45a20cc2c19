"""What Recurly needs beyond a source file: its exports, their files and API versions."""
