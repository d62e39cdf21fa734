"""The figures that matter in the reports of the benchmarks, for the table of all of them."""

from collections.abc import Callable, Iterator
from typing import Any

Figure = tuple[str, str]  # what, and how much


def data(report: dict[str, Any]) -> Iterator[Figure]:
    speed, settings = report["examples_per_second"]["median"], report["settings"]
    yield f"examples a second, {settings['k']} passages", f"{speed:,.0f}"
    off = max(abs(row["off"]) for row in report["shares"].values())
    yield "a task's share off its weight at most", f"{off:.2%}"
    before, after = (
        sum(row[key] for row in report["filter"].values()) for key in ("before", "after")
    )
    yield "examples that the relevance filter keeps", f"{after:,} of {before:,}"
    yield "memory held of the corpus, kB", f"{sum(report['held'].values()) / 1000:,.1f}"


def inference(report: dict[str, Any]) -> Iterator[Figure]:
    for case in report["cases"]:
        at = f"{case['size']}, batch {case['batch']}"
        for row in case["ratios"]:
            if row["span"] == "whole":
                value = f"{row['measured']:.2f}, at the machine's limits {row['by_limit']:.2f}"
                yield f"{at}: {row['pair']}, whole answer", value
        for name, system in case["systems"].items():
            share = system["encoder_share_of_peak"]
            yield f"{at}: {name}, encoder's share of the peak", f"{share:.0%}"


def peers(report: dict[str, Any]) -> Iterator[Figure]:
    for case in report["cases"]:
        at = f"{case['size']}, batch {case['batch']}"
        for name, system in case["systems"].items():
            for tokens, row in system.get("glimmer_faster", {}).items():
                times = f"{row['measured']:.2f}"
                yield f"{at}: {name} / GLIMMER from memory, {tokens} tokens", times
            if "limits" in system:
                over = system["encode"]["median"] / system["limits"]["encode"]
                yield f"{at}: {name}, encoding / its limit", f"{over:.2f}"


def scaling(report: dict[str, Any]) -> Iterator[Figure]:
    size, off = report["settings"]["size"], report["off_line"].values()
    yield f"{size}: slope in k / the matrix work's", f"{report['slope_over_work']:.2f}"
    yield f"{size}: times in k off a line at most", f"{max(map(abs, off)):.1%}"


def decoding(report: dict[str, Any]) -> Iterator[Figure]:
    for case in report["cases"]:
        at = f"{case['size']}, batch {case['batch']}"
        for name, system in case["systems"].items():
            speed = f"{system['tokens_per_second']:.1f}, {system['over_floor']:.2f} times the floor"
            if "ours_faster" in system:
                speed += f", ours {system['ours_faster']['measured']:.2f} times as fast"
            yield f"{at}: {name}, tokens a second", speed


def memory(report: dict[str, Any]) -> Iterator[Figure]:
    every, size = report["encode_all"], report["settings"]["size"]
    yield f"{size}: tokens encoded a second", f"{every['tokens_per_second']:,.0f}"
    shares = ", ".join(f"{name} {share:.0%}" for name, share in every["share_of_peak"].items())
    yield f"{size}: share of the peak in encoding", shares
    yield f"{size}: share of waiting in encoding", f"{every['waited_share']:.1%}"
    yield "25 passages from the store / mapped", f"{report['reading']['ratio']:.2f}"


def training(report: dict[str, Any]) -> Iterator[Figure]:
    for case in report["cases"]:
        at, row = f"{case['size']}, batch {case['batch']}", case["ratio"]
        yield f"{at}: glimmer / fid, step", f"{1 / row['measured']:.2f}"
        for name, system in case["systems"].items():
            yield f"{at}: {name}, share of the peak", f"{system['share_of_peak']:.0%}"
            if "memory" in system:
                plain, remat = (system["memory"][key]["peak"] for key in ("false", "true"))
                yield f"{at}: {name}, MiB, and rematerialised", f"{plain:,.0f}, {remat:,.0f}"
        if "peer" in case:
            faster = case["peer"]["ours_faster"]["fid"]["measured"]
            yield f"{at}: Hugging Face's FiD / ours, step", f"{faster:.2f}"
        if "input" in case:
            yield f"{at}: step / batch of input, glimmer", f"{case['input']['glimmer']:.0f}"


def startup(report: dict[str, Any]) -> Iterator[Figure]:
    load, answer = report["load"], report["answer"]
    size, asked = report["settings"]["size"], report["settings"]["asked_size"]
    yield "import over keras and keras_hub, s", f"{report['import']['over_them']['median']:.2f}"
    yield f"{size}: first answer after loading, s", f"{load['first_answer_seconds']:.1f}"
    yield f"{size}: peak of loading / weights", f"{load['peak_over_weights']:.2f}"
    of = f"in {answer['questions']:,} questions"
    yield f"{asked}: compilations {of}, warm", str(answer["compilations"])
    yield f"{asked}: growth of memory {of}, MiB", f"{answer['growth_megabytes']:+.1f}"


def serving(report: dict[str, Any]) -> Iterator[Figure]:
    size, load = report["settings"]["size"], report["load"]
    for name, timed in report["latency"]["signatures"].items():
        times = f"{timed['times_generate']['measured']:.3f}"
        yield f"{size}: {name}, at the client / generate", times
    yield "replies that were not right", str(load["outcomes"]["wrong"] + load["outcomes"]["lost"])
    yield "growth of the server's memory", f"{load['growth']['now']:+.1%}"


FIGURES: dict[str, Callable[[dict[str, Any]], Iterator[Figure]]] = {
    "data": data,
    "inference": inference,
    "peers": peers,
    "scaling": scaling,
    "decoding": decoding,
    "memory": memory,
    "training": training,
    "startup": startup,
    "serving": serving,
}
