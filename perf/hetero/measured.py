"""What a run's events say about its nodes and its plan."""
import bound


def nodes(run, names):
    """Unit times of each node now, in seconds: its profile times its slowness at this moment, or when
    it last had a stage."""
    profiles = {e["node"]: e for e in run.events("profile")}
    slowness = {n["name"]: n["slowness"] for e in run.events("progress") for n in e["nodes"]}

    def node(name):
        times = ([ns / 1e9 for ns in profiles[name][f"{part}_ns"]]
                 for part in ("forward", "backward", "update"))
        return bound.Node(*times).scaled(slowness.get(name) or 1.0)
    return [node(n) for n in names]


def plan(run):
    return [{k: s[k] for k in ("node", "first_unit", "end_unit")} for s in run.last("plan")["stages"]]
