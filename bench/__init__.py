"""bench – the benchmark: mailvet beside other milters (run), hostile mail (hostile), the breach look-up (breach)."""
