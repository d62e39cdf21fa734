"""What the package costs in time and memory, one program for each question, and what they found.

What two of them share is here or in `parts`; nothing that a user of the package would call.
"""
