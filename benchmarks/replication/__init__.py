"""What the two studies on the digits conclude first, asked again on seeds that nothing was concluded from."""
