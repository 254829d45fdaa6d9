"""Ready-made tools: Python in the notebook, SQL on a database, and the notebook's DataFrames."""
