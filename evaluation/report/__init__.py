"""The HTML report of evaluated runs: one page, its videos beside it, nothing fetched from elsewhere."""
