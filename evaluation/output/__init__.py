"""What people read: tables, plots, pictures, pages, and the figures kept for them."""
