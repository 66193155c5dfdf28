"""Why a run says what it says, for one track and on the whole."""
