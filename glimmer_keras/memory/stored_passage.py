from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """The passage that a row of memory was computed from, as the store keeps it.

    Args:
        id: Unique within the store, not empty.
        title: Title of its page, empty where there is none.
        text: The text itself.
    """

    id: str
    title: str
    text: str
