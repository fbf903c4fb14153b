"""The engines and their actions by name; importing this imports none of them."""

from __future__ import annotations

from dataclasses import dataclass

from perftui.model.errors import Unsupported
from perftui.model.keyvalue import KEY_ACTIONS
from perftui.model.namespacepolicy import POLICIES
from perftui.model.nodeorders import ORDERS
from perftui.model.predicted import AGAIN
from perftui.model.reattach import REATTACH
from perftui.model.risk import Risk
from perftui.model.serverports import SERVER_ACTIONS
from perftui.model.warmactions import WARM_JOBS

BUILTIN: dict[str, str] = {
    "cache": "perftui.engines.cache:CacheEngine",
    "cachecluster": "perftui.engines.cachecluster:ClusterEngine",
    "cdn": "perftui.engines.cdn:CdnEngine",
    "database": "perftui.engines.database:DatabaseEngine",
    "autoscaling": "perftui.engines.autoscaling:AutoscalingEngine",
    "resources": "perftui.engines.resources:ResourcesEngine",
    "profiler": "perftui.engines.profiler:ProfilerEngine",
    "optimization": "perftui.engines.experiments:OptimizationEngine",
}


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """One kind of action: `factory` is `module:Class`, built as `Class(power, source, **params)`.

    `port` names the power (a protocol of `perftui.model.ports`) a backend must have to be its target.
    """

    id: str
    title: str
    risk: Risk
    port: str
    factory: str
    help: str


ACTIONS: dict[str, ActionSpec] = {
    one.id: one
    for one in (
        ActionSpec(
            "cache.purge",
            "Purge keys by pattern",
            Risk.DESTROYS,
            "KeyPurger",
            "perftui.engines.cache.purge:PurgeKeys",
            "Move every key matching a pattern to quarantine, then delete; undo restores them.",
        ),
        ActionSpec(
            "cache.restore",
            "Restore purged keys",
            Risk.CHANGES,
            "KeyPurger",
            "perftui.engines.cache.restore:RestoreKeys",
            "Bring the keys of an earlier purge back from quarantine, by its id.",
        ),
        ActionSpec(
            "cache.purge-tag",
            "Remove entries by tag",
            Risk.DESTROYS,
            "TagKeeper",
            "perftui.engines.cache.tags:RemoveByTag",
            "New tokens for tags of a namespace, however many entries have them; undo sets the old back.",
        ),
        ActionSpec(
            "cache.restore-tag",
            "Let entries of a tag be current again",
            Risk.CHANGES,
            "TagKeeper",
            "perftui.engines.cache.tags:RestoreTag",
            "Set the tokens back that a removal by tag replaced, by its id.",
        ),
        *(ActionSpec(*row) for row in SERVER_ACTIONS),
        ActionSpec(
            "cache.failover",
            "Make a replica the primary",
            Risk.CHANGES,
            "FailoverDriver",
            "perftui.engines.cachecluster.failover:FailOver",
            "CLUSTER FAILOVER while both live: no acknowledged write is lost; undo switches back.",
        ),
        ActionSpec(
            "cache.promote",
            "Promote this replica",
            Risk.CHANGES,
            "ReplicaPromoter",
            "perftui.engines.cache.regions:Promote",
            "REPLICAOF NO ONE, refused when it heard nothing for long; undo follows the old primary again.",
        ),
        ActionSpec(
            "cache.takeover",
            "Promote this region",
            Risk.CHANGES,
            "RegionPair",
            "perftui.engines.cache.regions:TakeOver",
            "REPLICAOF NO ONE in the region that is to lead, refused when it heard nothing for long.",
        ),
        ActionSpec(
            "cache.rejoin",
            "Let a region follow",
            Risk.DESTROYS,
            "RegionPair",
            "perftui.engines.cache.regions:Rejoin",
            "REPLICAOF in a region that came back or was left: all it holds is replaced; no undo.",
        ),
        ActionSpec(
            "cache.follow",
            "Follow another server",
            Risk.DESTROYS,
            "ReplicaPromoter",
            "perftui.engines.cache.regions:Follow",
            "REPLICAOF: all it holds is replaced by a copy of the other's; it cannot be undone.",
        ),
        ActionSpec(
            "cache.sentinel-failover",
            "Have a replica promoted",
            Risk.CHANGES,
            "GroupFailover",
            "perftui.engines.cachecluster.switch:SwitchOver",
            "SENTINEL FAILOVER: the sentinels choose the replica; undo asks them again until it is back.",
        ),
        ActionSpec(
            "cache.rehearse",
            "Kill a primary of the lab now",
            Risk.DESTROYS,
            "FailoverRehearser",
            "perftui.engines.cachecluster.rehearse:Rehearse",
            "SIGKILL to a primary that the lab holds; the failover is measured and judged against a budget.",
        ),
        ActionSpec(
            "cache.reshard",
            "Move hash slots",
            Risk.CHANGES,
            "SlotMover",
            "perftui.engines.cachecluster.reshard:MoveSlots",
            "Move hash slots and their keys from one primary to another, verified; undo moves them back.",
        ),
        ActionSpec(
            "cache.policies",
            "Try eviction policies on what is read",
            Risk.READS,
            "CommandSampler",
            "perftui.engines.cache.policytrial:PolicyTrial",
            "Looks at MONITOR recorded as a trace, replayed by S3-FIFO, LRU, LFU, 2Q, ARC and the optimum.",
        ),
        ActionSpec(
            "cache.dictionary",
            "Train a dictionary for a namespace",
            Risk.CHANGES,
            "DictionaryKeeper",
            "perftui.engines.cache.dictionary:TrainDictionary",
            "Learn a zstd dictionary from a namespace's values and write with it; its gain is shown first.",
        ),
        ActionSpec(
            "cache.dictionary-back",
            "Go back to the dictionary before",
            Risk.CHANGES,
            "DictionaryKeeper",
            "perftui.engines.cache.dictionary:RollBackDictionary",
            "Write a namespace with the dictionary before, or none; what was written stays readable.",
        ),
        ActionSpec(
            "cache.warm",
            "Warm a set of keys",
            Risk.CHANGES,
            "NodeReader",
            "perftui.engines.cache.warm:WarmKeys",
            "Have a cache's nodes load what is not fresh of a warm set; one loads for all.",
        ),
        *(ActionSpec(*row) for row in (REATTACH, *POLICIES, *ORDERS, AGAIN, *WARM_JOBS, *KEY_ACTIONS)),
        ActionSpec(
            "cdn.purge",
            "Purge a URL or tag",
            Risk.CHANGES,
            "Purger",
            "perftui.engines.cdn.purge:PurgeEdge",
            "Drop a URL or every object of a tag at the edge; proven by the MISS that follows.",
        ),
        ActionSpec(
            "cdn.dequeue",
            "Take done purges off the queue",
            Risk.CHANGES,
            "PurgeQueue",
            "perftui.engines.cdn.dequeue:Dequeue",
            "After every edge has done what services queued in their cache server (`perftui cdn relay`).",
        ),
        ActionSpec(
            "db.cancel",
            "Cancel the running statement",
            Risk.CHANGES,
            "QueryCanceller",
            "perftui.engines.database.cancel:CancelQuery",
            "pg_cancel_backend: the statement fails, its session stays.",
        ),
        ActionSpec(
            "db.terminate",
            "Terminate the session",
            Risk.DESTROYS,
            "QueryCanceller",
            "perftui.engines.database.cancel:TerminateSession",
            "pg_terminate_backend: the session ends, its transaction rolls back.",
        ),
        ActionSpec(
            "metrics.put",
            "Send figures",
            Risk.CHANGES,
            "MetricSink",
            "perftui.engines.resources.put:PutFigures",
            "Send the newest values of chosen series to a store of metrics such as CloudWatch, once.",
        ),
        ActionSpec(
            "scaling.set",
            "Scale to N",
            Risk.CHANGES,
            "Scalable",
            "perftui.engines.autoscaling.scale:ScaleTo",
            "Set the wanted number of instances; surplus ones are drained first.",
        ),
        ActionSpec(
            "process.signal",
            "Send a signal to the process",
            Risk.DESTROYS,
            "ProcessSignaller",
            "perftui.engines.resources.signals:SignalProcess",
            "TERM, KILL, HUP, … to the very process shown, never to one that got its pid since.",
        ),
        ActionSpec(
            "process.renice",
            "Set the nice value of the process",
            Risk.CHANGES,
            "ProcessNicer",
            "perftui.engines.resources.renice:ReniceProcess",
            "Every thread of the very process shown goes sooner or later; undo gives back what each had.",
        ),
        ActionSpec(
            "profile.cpu",
            "Profile CPU",
            Risk.READS,
            "StackSampler",
            "perftui.engines.profiler.cpu:ProfileCpu",
            "Sample stacks of a process with py-spy for N seconds.",
        ),
        ActionSpec(
            "alerts.ack",
            "Acknowledge the alert",
            Risk.CHANGES,
            "AlertDesk",
            "perftui.engines.alerts.deeds:Acknowledge",
            "Say that you know, with a note; the first one stands, on every console of the store.",
        ),
        ActionSpec(
            "alerts.silence",
            "Silence alerts",
            Risk.CHANGES,
            "AlertDesk",
            "perftui.engines.alerts.deeds:SilenceMatching",
            "No notice of alerts that match, for a while; they are still recorded.",
        ),
        ActionSpec(
            "alerts.unsilence",
            "End the silence",
            Risk.CHANGES,
            "AlertDesk",
            "perftui.engines.alerts.deeds:EndSilence",
            "What it silenced is heard of again.",
        ),
        ActionSpec(
            "alerts.maintain",
            "Add a maintenance window",
            Risk.CHANGES,
            "AlertDesk",
            "perftui.engines.alerts.maintenance:Maintain",
            "A time that comes again, in a zone, in which nobody is told of what matches.",
        ),
        ActionSpec(
            "alerts.unmaintain",
            "Remove the maintenance window",
            Risk.CHANGES,
            "AlertDesk",
            "perftui.engines.alerts.maintenance:Unmaintain",
            "What it would have hushed is heard of; one that is declared is taken out of the configuration.",
        ),
        ActionSpec(
            "alerts.threshold",
            "Set the rule's threshold",
            Risk.CHANGES,
            "AlertDesk",
            "perftui.engines.alerts.deeds:SetThreshold",
            "For every console of the store; the plan says what it would have done in the last 24 h.",
        ),
        ActionSpec(
            "alerts.mark",
            "Mark the unusual value",
            Risk.CHANGES,
            "AlertDesk",
            "perftui.engines.alerts.marks:MarkUnusual",
            "Normal, or an incident: the threshold of that series moves up or down, on every console.",
        ),
        ActionSpec(
            "alerts.new",
            "Add a rule",
            Risk.CHANGES,
            "RuleKeeper",
            "perftui.engines.alerts.rules:AddRule",
            "Metric, operator, threshold, for and severity as a rule of the rule file; or a server's rule.",
        ),
        ActionSpec(
            "alerts.edit",
            "Edit the rule",
            Risk.CHANGES,
            "RuleKeeper",
            "perftui.engines.alerts.rules:EditRule",
            "Another expression in the rule file; the plan says what each would have done in the last 24 h.",
        ),
        ActionSpec(
            "alerts.rules",
            "Replace the rule file",
            Risk.CHANGES,
            "RuleKeeper",
            "perftui.engines.alerts.rules:ReplaceRules",
            "Rules as Prometheus has them; the plan says which come, go and change; one can go back.",
        ),
        ActionSpec(
            "alerts.test",
            "Test the channel",
            Risk.CHANGES,
            "NoticeDesk",
            "perftui.engines.alerts.notices:TestChannel",
            "Send one message that says it is a test; it cannot be taken back.",
        ),
        ActionSpec(
            "alerts.assign",
            "Assign the alert",
            Risk.CHANGES,
            "NoticeDesk",
            "perftui.engines.alerts.notices:Assign",
            "Say who sees to it, on every console of the store.",
        ),
        ActionSpec(
            "alerts.comment",
            "Comment on the alert",
            Risk.CHANGES,
            "NoticeDesk",
            "perftui.engines.alerts.notices:Comment",
            "Leave a word in the alert's history; history is append-only.",
        ),
        ActionSpec(
            "grafana.push",
            "Push to Grafana",
            Risk.CHANGES,
            "DashboardHost",
            "perftui.engines.grafana.push:Push",
            "Write our dashboards, and what happened as annotations; undo puts back what was there.",
        ),
        ActionSpec(
            "tune.set",
            "Set a loop's mode",
            Risk.CHANGES,
            "TuningDesk",
            "perftui.engines.tuning.deeds:SetMode",
            "Off, observe or on, for every console and agent of the store.",
        ),
        ActionSpec(
            "tune.run",
            "Run a schedule now",
            Risk.CHANGES,
            "TuningDesk",
            "perftui.engines.tuning.deeds:RunNow",
            "Do at once what a schedule does, with the plan and risk of that action.",
        ),
        ActionSpec(
            "tune.stop",
            "Stop all loops",
            Risk.CHANGES,
            "TuningDesk",
            "perftui.engines.tuning.deeds:StopAll",
            "Set everything that runs by itself to off within two seconds; undo restores the modes.",
        ),
    )
}


def spec(action_id: str) -> ActionSpec:
    """The row of an action; Unsupported when there is none of that name."""
    found = ACTIONS.get(action_id)
    if found is None:
        raise Unsupported(f"there is no action {action_id}")
    return found
