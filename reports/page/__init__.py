"""The page: results to explore in a browser, one file that needs neither a server nor a network."""
