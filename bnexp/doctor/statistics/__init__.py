"""The running statistics: whether they are those of the data under the final weights."""
