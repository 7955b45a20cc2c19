"""The tour that `make demo` runs: a simulated API, a landing zone and a warehouse on this machine."""
