"""hypercorn on connections that Sluice accepts, bounds and guards."""
