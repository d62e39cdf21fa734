"""The ground floor: files that are whole or not there, manifests, locks, places and progress.

Every other folder may stand on it; it imports none of them.
"""
