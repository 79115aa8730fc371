"""Networks as NIR graphs (neuroir.org): read, checked, turned into integers, and written."""
