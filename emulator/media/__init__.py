"""What nodes act through: the air and the fronthaul."""
