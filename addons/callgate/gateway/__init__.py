"""The gateway: Interven's and Aegis' HTTP contracts, answered by the local engine."""
