"""The dispatcher: inputs raise events, links lead them to processes, and a journal makes sure that nothing is lost."""
