"""Why a run says what it says: integrated gradients for a track, permutation importance for a run."""
