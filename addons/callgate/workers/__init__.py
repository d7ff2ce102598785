"""Several processes on one port: a parent, and the workers that it keeps."""
