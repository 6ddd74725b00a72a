"""The listener's commands `inbox`, `doctor` and `verify`; `tallyhook` combines them with the mock's."""
