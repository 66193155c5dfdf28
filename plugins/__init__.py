"""The encoders that ship with DeepHits-Keras, imported as `deephits_plugins`.

Each folder is written as a third party's distribution would be: the core names none of them and
finds them through the entry points in `setup.cfg`.
"""
