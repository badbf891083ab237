"""To and from other programs: IQ captures, arrays for learning, channels of ray tracers, detections for trackers."""
