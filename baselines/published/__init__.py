"""What has to be known of published checkpoints, one module a method.

Each declares ``ADAPTER``, a ``models.checkpoints.adapter.CheckpointAdapter``, which
``bench.config.registry.CHECKPOINTS`` finds by the name of the method.
"""
