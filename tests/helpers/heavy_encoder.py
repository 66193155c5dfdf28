"""An encoder whose module imports at its top what only its methods need."""

import scipy.signal
from faulty_encoders import Level


class ImportsNothingHeavy(Level):
    """Looks for a filter, to have imported one."""

    design = staticmethod(scipy.signal.butter)
