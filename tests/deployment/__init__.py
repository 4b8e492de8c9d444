"""What runs elsewhere: the image, the proxy before it, the locked dependencies."""
