"""SQuAD and TriviaQA, as their own files and as `datasets` writes them."""

from collections.abc import Iterator
from typing import Any

from glimmer_keras.data.example import Example
from glimmer_keras.data.formats.fid import passage_of
from glimmer_keras.data.formats.questions import question_of
from glimmer_keras.data.formats.registry import Source, register
from glimmer_keras.data.jsonl import Record, describe, take, take_id
from glimmer_keras.data.provenance import Provenance


@register("task", "squad", "data")
def squad(record: Record, source: Source) -> Iterator[Example]:
    """Read SQuAD's file, `{"data": [{"title", "paragraphs": [{"context", "qas": [...]}]}]}`.

    Each question brings its paragraph as the one passage, and as its evidence if it has an answer.
    """
    for article in _objects(record, "data", source.where):
        title = take(article, "title", str, source.where) if "title" in article else ""
        for paragraph in _objects(article, "paragraphs", source.where):
            for asked in _objects(paragraph, "qas", source.where):
                answers = [
                    take(answer, "text", str, source.where)
                    for answer in _objects(asked, "answers", source.where)
                ]
                yield _example(asked, title, paragraph, answers, source)


@register("task", "squad_rows", "question", "context", "answers")
def squad_rows(record: Record, source: Source) -> Iterator[Example]:
    """Read a row of SQuAD, `{"id", "title", "context", "question", "answers": {"text": [...]}}`."""
    answers = take(record, "answers", dict, source.where)
    title = take(record, "title", str, source.where) if "title" in record else ""
    texts = take(answers, "text", list, source.where)
    yield _example(record, title, record, texts, source)


@register("task", "triviaqa", "Data")
def triviaqa(record: Record, source: Source) -> Iterator[Example]:
    """Read TriviaQA's file, `{"Data": [{"QuestionId", "Question", "Answer": {...}}]}`.

    The answers are its `Value` and `Aliases`; a test file has none.
    """
    for asked in _objects(record, "Data", source.where):
        answer = take(asked, "Answer", dict, source.where) if asked.get("Answer") else {}
        answers = [take(answer, "Value", str, source.where)] if answer else []
        if answer.get("Aliases"):
            answers += take(answer, "Aliases", list, source.where)
        question = question_of(asked, "Question", source.where)
        number = take_id(asked, "QuestionId", source.where)
        yield Example(number, source.task, question, _texts(answers, source.where))


def _example(
    asked: Record, title: str, paragraph: Record, answers: list[Any], source: Source
) -> Example:
    text = take(paragraph, "context", str, source.where)
    passage = passage_of({"title": title, "text": text}, source)
    return Example(
        id=take_id(asked, "id", source.where),
        task=source.task,
        question=question_of(asked, "question", source.where),
        answers=_texts(answers, source.where),
        evidence=((Provenance(passage_id=passage.id),),) if answers else (),
        contexts=(passage,),
    )


def _texts(answers: list[Any], where: str) -> tuple[str, ...]:
    if not all(isinstance(answer, str) for answer in answers):
        raise ValueError(f"{where}: answers must be strings. Received: {describe(answers)}")
    return tuple(answer for answer in answers if answer.strip())


def _objects(record: Record, name: str, where: str) -> list[Record]:
    found = take(record, name, list, where)
    if not all(isinstance(each, dict) for each in found):
        raise ValueError(f"{where}: field `{name}` must be a list of objects")
    return found
