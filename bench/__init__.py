"""How fast Treadle is: one module per question, each runnable alone, all of them by `make bench`."""
