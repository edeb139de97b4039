"""What reading, writing and converting a module costs, in time and memory."""
