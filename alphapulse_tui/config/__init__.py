"""What the program is told: typed settings, profiles, where each value came from, and credentials that already exist.

``settings`` the types · ``load`` finds and reads the file · ``lines`` which line a key stands on · ``decode`` turns raw
values into settings and says every problem · ``discover`` what the environment offers · ``secret`` values that never
show themselves · ``paths`` where our own files are.
"""
