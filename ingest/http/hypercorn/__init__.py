"""hypercorn, on connections that Sluice accepts and limits."""
