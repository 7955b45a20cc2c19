"""What a stream's records must look like: versioned JSON Schemas, validation and compatibility."""
