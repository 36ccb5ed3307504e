"""The fault suite: a load, faults in the middle of it, and an oracle that says whether anything was lost or doubled.

`world` runs a scratch stack on a broker and a database that may be killed; `load` publishes and keeps the ledger;
`scenarios` breaks things; `oracle` judges; `controls` switches each guard off once, which must make a named line of
the oracle red. The method is Kafka's transactions test: faults only after a fifth of the load, judged live and by a
fresh reader.
"""
