from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a piece of evidence stands: a passage, or a stretch of paragraphs of a page.

    Args:
        passage_id: Identifier of a passage; when given, the rest is not looked at.
        page_id: Identifier of a page.
        first_paragraph: First paragraph of the page, -1 for the whole page.
        last_paragraph: Last paragraph, inclusive; -1 for the first paragraph alone.
    """

    passage_id: str = ""
    page_id: str = ""
    first_paragraph: int = -1
    last_paragraph: int = -1
