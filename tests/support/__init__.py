"""What the tests share: a live server, a client that checks every answer against the contract, a clock to move."""
