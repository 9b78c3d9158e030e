"""The one door for change: a process of its own that outlives the screen. Guards, intents, outcomes."""
