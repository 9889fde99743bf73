"""What type checkers have to refuse: each line that ends with `# wrong`, and no other. Not run, see `test_typing`."""

from __future__ import annotations

from rt_edge.streams.dsl import Flow, Sink, Source


def show(text: str) -> None:
    print(text)


numbers = Source.from_iterable([1, 2, 3])
texts: Flow[str, str] = Flow()

numbers.map(str).map(lambda text: text / 2)  # wrong
numbers.filter(lambda n: n.upper())  # wrong
numbers.to(Sink.foreach(show))  # wrong
numbers.via(texts.map(len))  # wrong
numbers.also_to(Sink.foreach(show))  # wrong
numbers.scan(0, lambda total, n: total + n.upper())  # wrong
numbers.broadcast(Sink.foreach(show))  # wrong
texts.map(len).to(Sink.foreach(show))  # wrong
numbers.take("three")  # wrong
numbers.buffer(10, "drop_everything")  # wrong
numbers.merge(Source.from_iterable(["a"]))  # wrong
numbers.no_such_verb()  # wrong
shown: Sink[str] = Sink.foreach(lambda n: n / 2)  # wrong
numbers.map_async(len)  # wrong
numbers.map_blocking(lambda n: n.upper())  # wrong
