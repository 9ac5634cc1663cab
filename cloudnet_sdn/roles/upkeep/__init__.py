"""What a role does by itself: ends that are due, shells that lost something."""
