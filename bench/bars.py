"""bench/bars.py - what a figure of crew's is held to."""


class Bar:
    """How crew must compare: at least so many times as fast, or at most so many times the cost."""

    def __init__(self, limit, faster):
        self.limit, self.faster = limit, faster

    def __str__(self):
        return f"{'at least' if self.faster else 'at most'} {self.limit:g}"

    def met(self, ratio):
        return ratio >= self.limit if self.faster else round(ratio, 3) <= self.limit


def at_least(limit):
    return Bar(limit, True)


def at_most(limit):
    return Bar(limit, False)
