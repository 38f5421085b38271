"""What trains runs: this process, a pool of processes, or Ray."""
