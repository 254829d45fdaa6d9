"""Drawing an answer in a notebook or a terminal."""
