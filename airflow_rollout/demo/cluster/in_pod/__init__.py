"""Scripts that run in pods of a plain Python image, mounted from a ConfigMap.

They are read as text and import the standard library alone, of Python 3.10 and newer.
"""
