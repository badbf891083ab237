"""Mode selectors: strategies that decide which APs transmit and which receive."""
