"""Delivery: a run's message, sent once to each target; reports as PDF; one report for each set of parameters.

- `message`: what a run says, as mail (HTML and plain text) and as text for services
- `targets`: mail by SMTP, everything else by apprise; what is a definite failure and what is unclear
- `each`: a folder of reports for each set of parameters
- `paper`: reports as PDF, by a Chrome that is found
- `sending`: which run to whom, and the journal that keeps it to once
"""
