"""What people are shown: the terminal's lines and tables, and a trial's figures."""
