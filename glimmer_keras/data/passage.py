from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Passage:
    """One piece of text that can be retrieved and read.

    Args:
        id: Unique within its corpus.
        title: Title of the page, empty where there is none.
        text: The text itself.
        page_id: Identifier of the page the passage was cut from, empty if unknown.
        first_paragraph: First paragraph of that page which the passage covers, -1 if unknown.
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

    @property
    def content(self) -> str:
        """The string that a reader is given: `title: text`, or the text where there is no title."""
        return f"{self.title}: {self.text}" if self.title else self.text
