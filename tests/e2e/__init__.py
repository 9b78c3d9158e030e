"""End to end: the real program, real keys in a real terminal, the real lab; checked by clients that share no code with the cockpit."""
