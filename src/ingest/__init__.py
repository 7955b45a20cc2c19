"""The Lambda app that runs sources: an event comes in, commits go out."""
