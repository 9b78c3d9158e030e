"""The command line: parses, prints, exits with a documented code; no logic.

``main`` the root command and what becomes of errors · ``lazy`` commands that are imported when they are called ·
``invocation`` what the root options say, for every command · then one module a command. Stdout is data, everything else
is stderr. No module here is imported by another command, so that ``alphapulse status`` pays for ``status`` only.
"""
