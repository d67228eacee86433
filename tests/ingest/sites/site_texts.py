"""Sites as an operator writes them: one by one, by id, and in a file."""

TEXTS = {
    1: """\
# The old one.
[[site]]
id = 1                # since 2019
domain = "one.example"
rate_limit.events = 5
rate_limit.seconds = 60 # a minute

[site.shields]
ips = [
  # The office.
  "192.0.2.1",
  "192.0.2.2", # and its spare line
]
# Nobody needs this any more.
""",
    2: """\
# The shop.
[[site]]
domain = "two.example"
id = 2
shields.pages = ["/b", '/c']
[[site.revenue_goals]]
event = "Purchase" # in the shop
currency = "EUR"
[[site.revenue_goals]]
event = "Gift"
currency = "EUR"
""",
    9: """\
# At the end.
[[site]]
id = 9
domain = "nine.example"
shields = { countries = ["AQ"] } # cold
script = { id = "nine", outbound_links = true }
""",
}

WRITTEN = f"""\
# Sites of ours.

{TEXTS[1]}
# pages = ["/admin"]

{TEXTS[2]}
[exchange_rates]
EUR = 0.920  # from the bank

{TEXTS[9]}"""
