"""daemon – the processes of `mailvet serve`: the supervisor, its workers, and libmilter's callbacks.

Entry      `serve.serve`
Imports    everything before it; pymilter in one file, `libmilter`
"""
