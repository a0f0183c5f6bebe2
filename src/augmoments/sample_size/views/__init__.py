"""What further views of an image bring: of one policy, of several, and of losses of pairs."""
