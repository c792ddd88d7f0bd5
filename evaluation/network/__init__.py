"""What the network adds to the still that is merely moved."""
