"""What is known of published implementations, one module a method, named as the method is in the registry.

Such a module is found by its name and declares:

- ``LIFTER``: the class of the method.
- ``RENAMES``: beginning of a published name, wrappers removed, to the beginning of ours; the first that fits
  counts. ``*`` stands for anything without a dot, and is the same in both.
- ``UNUSED`` (optional): beginnings of published entries that nothing here uses; ``*`` stands for anything.
- ``sizes(state)``: the fields of the configuration that the shapes of a state dict (in our names) tell;
  ``KeyError`` where it is no checkpoint of the method.
- ``skeleton(state)`` (optional): whose joints it lifts; Human3.6M's by default.
- ``blank(config, skeleton, state)`` (optional): the method at this size; ``LIFTER(config, skeleton)`` by default.
- ``fixed()`` (optional): entries that a checkpoint carries although they follow from the method; these must be
  equal.
- ``GOLDEN``: by ``config["model"]`` (or ``"what"``, or ``"content"``) of a file of golden vectors, the case that
  computes it: ``Vectors`` in, our arrays under the names of the stored ones out.
- ``LIMITS``: (regular expression for the whole name of an array, (absolute, relative)) for these files; the first
  that fits counts.
"""
