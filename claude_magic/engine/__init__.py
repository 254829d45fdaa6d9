"""One question: from what is asked to the answer."""
