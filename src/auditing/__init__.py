"""What a study should know of its images before it trains."""
