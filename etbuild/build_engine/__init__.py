"""Steps, the decision whether one runs, its execution, cache, compile server and Dask. It knows no model, recipe,
compiler or board.
"""
