"""The ordinary Python way: what a competent engineer writes first.

Belongs here: gzip, json and split, a list of dictionaries, the same model as loops over dictionaries (the product's
tables, rules and checks of parameters are asked event by event), and the SDK's ``upload(list)``. Does not belong here:
tricks.

Scores, expected numbers, priorities, reasons and what is learned are the same both ways; tests hold one against the
other. What the ordinary way leaves out is our way's to pay for: stage files, ledger and proof, duplicates, taking up
again half-way, the pattern of each row, the roll-up of each principal's hour with its rows, the files of urgent events
that history does not learn yet, the daily bounds of history, and the names of the sensitivity rules that decided.
Doing these as well would only add to the ordinary way's time.
"""
