from random import Random

from recipes.pretraining.asking import Asking
from recipes.pretraining.questions import Question, Questions


def asking_of(examples):
    encode = examples.processor.encode
    tokens = encode("Torvik: The tower of Torvik was built by Mirelda Voss in 1863.")
    answer = encode("1863")
    start = next(n for n in range(99) if tokens[n : n + len(answer)] == answer)
    asked = [Question(encode("when was it built"), [answer], 0, start, start + len(answer))]
    untold = [Question(encode("is it so"), [encode("TRUE")], 0, 3, 4)]
    return Asking(
        Questions([tokens], [2], {"tower": asked, "claims": untold}, [0], [5]), examples.processor
    )


def test_a_question_is_asked_of_its_answer_between_blanks(examples):
    asking = asking_of(examples)
    assert list(asking.tasks) == ["tower"]
    given, passage, question = asking.draw("tower", Random(0), 64)
    decode = examples.processor.decode
    assert decode(given) == "tower 1863"
    assert "mirelda voss in _ 1863 _" in decode(passage)
    assert decode(question) == "when was it built"


def test_a_phrase_has_no_function_word_at_its_ends(examples):
    asking = asking_of(examples)
    tokens = asking.questions.passages[0]
    found = set()
    for seed in range(200):
        if place := asking.phrase(Random(seed), tokens, 2):
            found.add(examples.processor.decode(tokens[slice(*place)]))
    assert {"tower", "tower of torvik", "mirelda voss", "built by mirelda", "1863"} <= found
    assert all(
        not {words.split()[0], words.split()[-1]} & {"the", "of", "by", "in"} for words in found
    )
    assert not any("." in words or ":" in words for words in found)
