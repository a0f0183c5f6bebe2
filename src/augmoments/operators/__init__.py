"""What one draw of an augmentation does to an image."""
