"""Files of key points: recognised by their content, read, and one person chosen out of all that they hold."""
