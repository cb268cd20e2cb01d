"""What a user can do with each noun of the platform: endpoints beside their methods."""
