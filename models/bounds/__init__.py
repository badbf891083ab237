"""Position error bounds: closed form, full Fisher information, maps, fine grids, several targets."""
