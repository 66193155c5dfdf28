"""`python -m deephits_keras`: the command `deephits`."""

from deephits_keras.cli import main

main()
