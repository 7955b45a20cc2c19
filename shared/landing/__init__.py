"""The landing zone as a log: immutable part files and the ordered commits that publish them."""
