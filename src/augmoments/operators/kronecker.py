class KroneckerSum:
    pass
