"""Commands about runs that there are, and the networks that they trained."""
