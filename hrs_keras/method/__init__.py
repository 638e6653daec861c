"""The method: selection, losses, and the players that minimise them."""
