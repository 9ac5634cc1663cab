"""What a mapped request takes from the substrate: capacity, VLAN tags, the tasks to come."""
