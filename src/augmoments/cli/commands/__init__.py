"""What each command takes, a module for each; what it does is imported when it runs."""
