"""The encoders that ship with DeepHits-Keras, imported as `deephits_plugins`.

Each folder reads like a third party's distribution: the core knows none of them by name and finds
them through the entry points in `setup.cfg`.
"""
