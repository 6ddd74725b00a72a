"""The listener's commands `inbox`, `doctor` and `verify`; `tallyhook` composes them with the mock's."""
