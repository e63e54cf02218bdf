"""The whole loop on one machine: transactions in, a served decision out, on real servers.

``plan`` fixes the dates, ``pipeline`` runs the steps up to a published model, ``serving`` starts
the servers, ``replay`` sends the next day through them, ``parity`` compares what was served with
what the same model says offline, and ``report`` shows it all on one page.
"""
