"""Tables as files: Markdown, CSV, HTML, LaTeX, and the report that holds them."""
