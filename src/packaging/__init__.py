"""From Pipfile.lock and the repository to the zips that Lambda runs: layers and functions, the same bytes each time."""
