"""Files: which ones a path names, reading them within bounds, and keeping them private."""
