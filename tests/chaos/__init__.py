"""Whatever is killed, full or broken in the meantime: nothing lost, nothing twice, nothing silent.

``faults`` makes file operations fail or the process die at one of them; ``situations`` are the commands that this
is done to; ``contents`` says what a store holds, so that a disturbed one can be compared with an undisturbed one;
``python -m tests.chaos`` goes through all of it. ``disturbed`` is a longer sweep on two workers that is killed at
random.
"""
