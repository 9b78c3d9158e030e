"""One module a screen. A screen draws the board and the journal, and hands plans to the executor; it talks to no target."""
