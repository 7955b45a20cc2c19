"""The Lambda app that lands files which somebody drops into a bucket."""
