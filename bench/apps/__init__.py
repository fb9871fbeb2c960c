"""What Treadle is compared with: small applications on the same uvicorn, started as `treadle serve` starts it."""
