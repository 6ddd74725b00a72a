"""The commands `tallyhook inbox`, `tallyhook doctor` and `tallyhook verify`."""
