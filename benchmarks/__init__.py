"""What the project promises in numbers, measured: `make bench`, or `python -m benchmarks --help`.

One module a part that can be run alone; a part returns a `PartReport` of figures, each with all
its values. Nothing here is imported by the product or decides whether a test passes.
"""
