"""The parts of the `quality` check: each looks for one family of what makes an answer bad to learn from."""
