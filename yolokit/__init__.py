"""yolokit."""
