"""Async loops: ask, hand the answer to the judge, act on the verdict. No decision of their own."""
