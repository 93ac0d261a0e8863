"""The main conclusions of the two studies on the digits, tested again on seeds that were not used for them."""
