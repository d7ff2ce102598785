"""Program text, read cheaply: what it would run, delete, read, write, load. Nothing is executed."""
