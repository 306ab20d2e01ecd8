"""The embedded data set: people that walk, gesture and sit, made by a generator."""
