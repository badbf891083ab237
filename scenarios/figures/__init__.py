"""The figures of the paper and further studies, one module each: run -> result, plot(result, axes)."""
