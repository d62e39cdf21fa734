from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """The passage that a row of memory was computed from, as the store keeps it.

    Args:
        id: Unique within the store, not empty.
        title: Title of its page, empty where there is none.
        text: The text itself.
        page_id: Identifier of the page it was cut from, empty if unknown.
        first_paragraph: First paragraph of that page which it covers, -1 if unknown.
        last_paragraph: Last such paragraph, inclusive.
        fields: Names and values of what else is known of it, such as language or date, by which
            it can be filtered.
    """

    id: str
    title: str
    text: str
    page_id: str = ""
    first_paragraph: int = -1
    last_paragraph: int = -1
    fields: tuple[tuple[str, str], ...] = ()
