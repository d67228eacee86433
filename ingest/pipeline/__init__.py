"""The steps that decide on an event, in order, and what runs them.

An event passes through one list of named steps (`steps.STEPS`): the gate's first, then those of
enrichment. The list's order decides which reason is reported when several apply. A step looks at
one `EventContext` and notes there what it finds out. A step that does not let the event pass
returns a `Drop`: the reason, and the rule that matched. The first drop ends the way.

The gate and enrichment as actors, the trace of `sluice validate` and imports of past events all run
this list with `run_steps`.

To add a reason, change three places:

1. `DropReason` in `ingest/model/verdict.py`, at the place of its step;
2. a step in `gate.py` or `enrichment.py`, and its line in `steps.py`;
3. the reason's label on the live page, in `ingest/http/live/static/words.js`.

Counters, metrics, `sluice drops`, `X-Sluice-Drop-Reasons` and traces take reason and rule from the
`Drop`. To show in a trace what the step looked at, add its name to `step_details.py` of
`ingest/observation`.
"""
