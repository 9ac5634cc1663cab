"""What a role remembers, in SQL: graphs, offers, reservations and the journal of tasks."""
