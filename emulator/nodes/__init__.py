"""The participants: access points, user equipments, targets, the central processor, and what they share."""
