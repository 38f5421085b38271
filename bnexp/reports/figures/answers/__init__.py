"""What the networks said of the test pictures: confusion matrices, galleries of mistakes."""
