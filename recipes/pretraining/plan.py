"""python -m recipes.pretraining.plan --words 24e6 --hours 4 --speed 0.2

What size of reader to pretrain with a text, machines and hours: for each size how many examples it
sees in all phases, how often it goes through the text, and whether that is enough. By a rule of
thumb: examples in proportion to parameters (Hoffmann et al., 2022), as many as `wikipedia_small`
had for each when it read a third of its held-out questions; and a text that is not read more than
a few times. The largest size for which both hold is the one to train. --speed is what the machine
computes in training, which recipes.pretraining prints: two cores 0.2 TFLOP/s, an H100 some 300.
Prints a table, and the command.
"""

import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from recipes.command import Help, OneLineParser, exit_code
from recipes.pretraining.course import PHASES
from recipes.pretraining.reader import Sizes
from recipes.pretraining.work import step_flops

# Width, and layers of memory, before and after scores, and of the decoder.
SIZES = (
    (128, (2, 2, 1), 1),
    (256, (4, 2, 1), 2),
    (384, (6, 2, 1), 3),
    (512, (8, 3, 1), 4),
    (768, (16, 4, 4), 6),
    (1024, (16, 4, 4), 12),
)
EXAMPLES_A_PARAMETER = 0.04
MOST_PASSES = 10
TOKENS_A_WORD = 1.5


@dataclass(frozen=True)
class Plan:
    """What a size sees within a budget: examples, and tokens of passages."""

    sizes: Sizes
    examples: float
    tokens: float

    def enough(self, words: float) -> bool:
        seen = self.examples >= EXAMPLES_A_PARAMETER * self.sizes.parameters
        return seen and self.tokens <= MOST_PASSES * TOKENS_A_WORD * words


def plan(sizes: Sizes, flops: float) -> Plan:
    """Go through the phases with a number of floating-point operations in all."""
    examples = tokens = 0.0
    for phase in PHASES:
        once = step_flops(sizes, phase.shape, sizes.layers_of(phase.system))
        steps = phase.share * flops / once
        examples += steps * phase.shape.batch
        tokens += steps * phase.shape.batch * phase.shape.passage
    return Plan(sizes, examples, tokens)


@exit_code
def main(argv: Sequence[str] | None = None) -> None:
    args = parsed(argv)
    flops = args.hours * 3600 * args.machines * args.speed * 1e12
    plans = [plan(sizes_of(args, *size), flops) for size in SIZES]
    table = Table(
        "width", "layers", "M weights", "MB", "thousand examples", "of", "passes", "enough"
    )
    for each in plans:
        sizes = each.sizes
        needed = EXAMPLES_A_PARAMETER * sizes.parameters
        table.add_row(
            str(sizes.hidden_dim),
            "+".join(map(str, sizes.layers)) + f", {sizes.num_decoder_layers}",
            f"{sizes.parameters / 1e6:,.1f}",
            f"{2 * sizes.parameters / 1e6:,.0f}",
            f"{each.examples / 1e3:,.0f}",
            f"{needed / 1e3:,.0f}",
            f"{each.tokens / (TOKENS_A_WORD * args.words):.1f}",
            "yes" if each.enough(args.words) else "no",
        )
    Console().print(table)
    fitting = [each.sizes for each in plans if each.enough(args.words)]
    if not fitting:
        print("None of these: more hours, or more text.")
        return
    best = fitting[-1]
    layers = " ".join(map(str, best.layers))
    print(
        f"python -m recipes.pretraining TEXT --hours {args.hours:g} --width {best.hidden_dim} "
        f"--heads {best.num_heads} --intermediate {best.intermediate_dim} --layers {layers} "
        f"--decoder-layers {best.num_decoder_layers} --vocabulary-size {best.vocabulary_size} "
        "--output DIR"
    )


def sizes_of(
    args: Namespace, width: int, layers: tuple[int, int, int], decoder_layers: int
) -> Sizes:
    return Sizes(args.vocabulary_size, width, width // 64, 3 * width, layers, decoder_layers)


def parsed(argv: Sequence[str] | None) -> Namespace:
    parser = OneLineParser(description=__doc__, formatter_class=Help)
    parser.add_argument("--words", type=float, required=True, help="of the text")
    parser.add_argument("--hours", type=float, default=4.0, help="of training")
    parser.add_argument("--machines", type=int, default=1)
    parser.add_argument("--speed", type=float, default=0.2, help="TFLOP/s of one, in training")
    parser.add_argument("--vocabulary-size", type=int, default=8192)
    args = parser.parse_args(argv)
    for name in ("words", "hours", "machines", "speed", "vocabulary_size"):
        if not getattr(args, name) > 0:
            raise ValueError(
                f"`--{name.replace('_', '-')}` must be over 0. Received: {getattr(args, name)}"
            )
    return args


if __name__ == "__main__":
    sys.exit(main())
