"""Command lines of the programs that this product replaces, as their users call them."""
