"""From the built zips and the template to a stack: upload, propose, show, execute."""
