"""The control API under `/_mock`: JSON, for tests, for people, and for nobody on another machine."""
