"""The journal and what is derived from it: incidents, clocks, timeline, postmortem."""
