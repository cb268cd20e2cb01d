"""How a job delivers: what became of each message, with a journal or without."""
