"""What a run leaves behind: JSON, folders, pictures, tables."""
