"""Self-contained HTML reports: one page, inline pictures, nothing fetched from anywhere."""
