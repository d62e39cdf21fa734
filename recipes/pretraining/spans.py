"""What of a text may be asked for: names and numbers (salient spans, Guu et al. 2020, "REALM")."""

import re

SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
# Names of one word or more, and numbers.
SPAN = re.compile(r"\b(?:[A-Z][\w'’-]+(?: (?:(?:of|the|de|von) )?[A-Z][\w'’-]+)*|\d[\d.,]*\d|\d)\b")
