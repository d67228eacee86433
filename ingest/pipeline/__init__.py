"""The steps that decide on an event, in order, and the functions that run them.

An event passes through one list of named steps (`steps.STEPS`): the gate's, then enrichment's. The
order of the list decides which reason is reported if several apply. A step reads one `EventContext`
and writes its results there. A step that drops the event returns a `Drop` with the reason and the
rule that matched. No further step runs after a drop.

The gate and enrichment as actors, the trace of `sluice validate` and imports of past events all run
this list with `run_steps`. `run_gate` leaves out the steps for rules that the site does not have.

To add a reason, change three places:

1. `DropReason` in `ingest/model/verdict.py`, at the place of its step;
2. a step in `gate.py` or `enrichment.py`, and its line in `steps.py`;
3. the reason's label on the live page, in `ingest/http/live/static/words.js`.

Counters, metrics, `sluice drops`, `X-Sluice-Drop-Reasons` and traces take reason and rule from the
`Drop`. To show the step's inputs in a trace, add its name to `step_details.py` of
`ingest/observation`.
"""
