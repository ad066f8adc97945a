"""kill -9 of nodes before the first step: they are waited for, and the run is what it would have been."""
import unittest

from cluster import LENET5, Cluster, Undisturbed, wait_for


class Begin(Undisturbed):
    SETS = {**LENET5, "training.cuts": "auto", "snapshot.every": 10}

    def kill_in(self, c, state, name):
        """Once the run is in that state; in which it was then."""
        wait_for(name, lambda: c.pids_of(name), 10, 0.005)
        found = c.wait_for_state(state, "training")
        self.kill(c, [name])
        return found

    def test_while_they_measure_and_prepare(self):
        for state, name in (("profiling", "n1"), ("preparing", "n2")):
            with self.subTest(state=state), Cluster(3, self.SETS) as c:
                c.follow()
                print(f"{name} is killed; the run is {self.kill_in(c, state, name)}")
                self.check_end(c)


if __name__ == "__main__":
    unittest.main(verbosity=2)
