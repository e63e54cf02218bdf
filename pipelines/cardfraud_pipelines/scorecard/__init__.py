"""The handbook's protocol on data in its schema: its figures beside ours, with the ceiling."""
