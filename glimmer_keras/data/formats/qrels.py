from pathlib import Path

from glimmer_keras.data.text_lines import text_lines

HEADER = "query-id"


def read_qrels(path: str | Path) -> dict[str, list[str]]:
    """Read which passages answer which question, in the form of BEIR or of TREC.

    Lines are `query-id corpus-id score`, the first of them a header, or `query-id 0 corpus-id
    relevance`; what has 0 or less does not answer.

    Returns:
        Ids of passages by the id of a question.

    Raises:
        ValueError: Naming the line, if it is neither.
    """
    found: dict[str, list[str]] = {}
    for line in text_lines(path):
        fields = line.text.split()
        if not fields or fields[0] == HEADER:
            continue
        if len(fields) not in (3, 4):
            raise ValueError(
                f"{line.where}: must be `query-id corpus-id score`, or `query-id 0 corpus-id "
                f"relevance`. Received: {len(fields)} fields"
            )
        try:
            relevance = float(fields[-1])
        except ValueError as error:
            raise ValueError(
                f"{line.where}: relevance must be a number. Received: {fields[-1]!r}"
            ) from error
        if relevance > 0:
            found.setdefault(fields[0], []).append(fields[-2])
    return found
