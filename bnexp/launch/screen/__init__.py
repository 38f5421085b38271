"""What is seen while runs train."""
