"""One step of a pipeline as a function, for engines that do the rest."""
