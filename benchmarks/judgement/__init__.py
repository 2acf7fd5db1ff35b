"""How fast and how wrongly releases are stopped: the gate beside the rules people know.

Seeded simulations of half an hour of traffic; every detector sees the same requests. `traffic`
draws them, `rules` are Flagger's and Argo Rollouts' counters as those tools run them, `gates` is
the judge's own test, `tables` says which releases are drawn and what was found before.
"""
