"""commands – the command line, one file for each command.

Entry      `cli.main`
Imports    everything; nothing imports it but __main__
"""
