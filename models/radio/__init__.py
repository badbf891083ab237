"""Radio physics: geometry, arrays, propagation, channels, transmission, echoes, and the statistics of samples."""
