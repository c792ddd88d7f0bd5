"""What is measured on: held-out stills and clips, and arrows on them."""
