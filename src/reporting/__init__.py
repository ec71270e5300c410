"""Show results: the terminal's lines and tables, figures, and a study's page."""
