"""The webhook: takes in what git hosts tell, and hands it on."""
