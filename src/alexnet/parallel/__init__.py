"""The same network on several processes: whole copies, towers, or split fully connected layers."""
