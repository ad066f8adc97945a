"""The granularity bound: the best that any plan could do with these units on these nodes, over all cuts,
orders (the first node stays first) and subsets, with links that take no time. Pure; seconds in and out.

1f1b: the slowest stage's forward, backward and update of a batch, without fill or drain. Flush with M
micro-batches: fill, drain and update as they are (PipeDream-2BW, arXiv 2006.09503, section 2)."""
import itertools


def prefix(values):
    return [0.0, *itertools.accumulate(values)]


class Node:
    """A node's unit times as sums: forward + backward of one micro-batch, and update."""

    def __init__(self, forward, backward, update):
        self.compute = prefix(f + b for f, b in zip(forward, backward))
        self.update = prefix(update)

    def scaled(self, by):
        other = Node([], [], [])
        other.compute = [by * t for t in self.compute]
        other.update = [by * t for t in self.update]
        return other

    def of(self, first, end):
        return (self.compute[end] - self.compute[first], self.update[end] - self.update[first])


def step_time(stages, micro_batches):
    """stages: (compute, update) of each; micro_batches None: 1f1b."""
    if micro_batches is None:
        return max(c + u for c, u in stages)
    way = 0.0  # from the stage's first forward to its last backward
    for c, _ in reversed(stages):
        way = max(micro_batches * c, c + way)
    return max(way + stages[0][1], *(micro_batches * c + u for c, u in stages))


def of_plan(nodes, order, firsts, micro_batches):
    """A given plan: order of nodes, first unit of each stage."""
    ends = [*firsts[1:], len(nodes[0].compute) - 1]
    return step_time([nodes[n].of(f, e) for n, f, e in zip(order, firsts, ends)], micro_batches)


def best(nodes, micro_batches):
    """(step time, order, first units) by trying all: up to 5 nodes and 20 units take a second."""
    n_units = len(nodes[0].compute) - 1
    answer = (float("inf"), (), ())
    for k in range(min(len(nodes), n_units)):
        for others in itertools.permutations(range(1, len(nodes)), k):
            order = (0, *others)
            for cuts in itertools.combinations(range(1, n_units), k):
                firsts = (0, *cuts)
                answer = min(answer, (of_plan(nodes, order, firsts, micro_batches), order, firsts))
    return answer
